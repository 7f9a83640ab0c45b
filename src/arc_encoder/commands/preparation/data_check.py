"""`arc-data check`: look at data before training on it.

Run command: ``arc-data check my.jsonl.gz decoder=toy_a``, or ``arc-data check data=jsonl_finetune data.tasks.qa.source.path=my.jsonl``
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from omegaconf import DictConfig

from arc_encoder.config.app.failing import user_errors
from arc_encoder.config.app.run import run_app
from arc_encoder.config.app.words import files_as_setting
from arc_encoder.tools.preparation.writing import atomic_writer
from arc_encoder.tools.survey.configured import check_settings, measure_of, surveys

UNUSABLE = 1  # exit status: the data would stop a training


def run(config: DictConfig) -> None:
    """Print a report for each source; leaves with 1 if a training would stop."""
    check_settings(config)
    reports = []
    for report in surveys(config, measure_of(config)):
        print(report.to_text(colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ), end="\n\n", flush=True)
        reports.append(report)
    bad = [report.name for report in reports if not report.usable]
    left = f"; not usable: {', '.join(bad)}" if bad else ""
    print(f"usable: {len(reports) - len(bad)} of {len(reports)} source{'s' if len(reports) > 1 else ''}{left}")
    if config.output:
        found = {"usable": not bad, "sources": [report.to_json() for report in reports]}
        with atomic_writer(Path(config.output)) as file:
            json.dump(found, file, indent=2, ensure_ascii=False)
    if bad:
        sys.exit(UNUSABLE)


def main() -> None:
    """Entry point of the verb; words that are no settings are files."""
    with user_errors():
        sys.argv[1:] = files_as_setting(sys.argv[1:])
    run_app("check", run, unbuilt=("data.tasks.",))
