"""`arc-ablate`: pretrain, fine-tune and evaluate every variant of an ablation with several seeds.

Run command: ``arc-ablate ablation=pooling``, ``arc-ablate ablation=pooling scale=paper dry_run=true``. The same
words again resume it where it stopped.
"""

from __future__ import annotations

import shlex
import signal
import sys

from omegaconf import DictConfig

from arc_encoder.config.app.run import run_app
from arc_encoder.tools.ablation.configured import run_study, study_of


def run(config: DictConfig) -> None:
    """Run the stages of `config`, or print their commands."""
    study = study_of(config)
    if config.dry_run:
        for stage in study.stages:
            done = "# done: " if stage.folder in study.finished else ""
            print(f"{done}{stage.command} {shlex.join(stage.words)}")
        return
    print(f"{config.ablation.question} {len(study.stages)} stages, {len(study.finished)} of them finished before")
    run_study(study)
    print(f"finished: {config.folder}; compare with: arc-report {config.folder}")


def exit_on_sigterm() -> None:
    """Let a cluster's SIGTERM end this process like an exception, so that the commands that it started are asked to stop."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def main() -> None:
    """Console entry point."""
    exit_on_sigterm()
    run_app("ablate", run)
