"""`arc-eval`: answer benchmarks with one or more systems, or resume an evaluation.

Run command: ``arc-eval checkpoint=<run>/compressor system=[arc,open_book] benchmark=[toy_qa,toy_continuation]``,
``arc-eval --resume <the evaluation's folder>``. Several processes (``torchrun``) share the parts among them.
"""

from __future__ import annotations

import os
import sys

from omegaconf import DictConfig

from arc_encoder.config.app.failing import user_errors
from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.evaluation import evaluate_from_config
from arc_encoder.config.building.settings import words_of_command
from arc_encoder.config.resume import expand_resume
from arc_encoder.evaluation.evaluate import results_table
from arc_encoder.tools.planning.costs.work import prefill_work


def run(config: DictConfig) -> None:
    """Evaluate as `config` says, and print the table."""
    price = prefill_work if config.costs else None
    rows, costs = evaluate_from_config(config, price=price, words=words_of_command())
    if os.environ.get("RANK", "0") == "0":
        print(f"\n{results_table(rows, costs)}\n")
        print(f"written to {config.paths.run}")


def main() -> None:
    """Console entry point."""
    with user_errors():
        sys.argv[1:] = expand_resume(sys.argv[1:], "eval")
    run_app("eval", run)


if __name__ == "__main__":
    main()
