"""`arc-train`: train an ARC-Encoder, or resume a run.

Run command: ``arc-train experiment=toy/pretrain``, ``arc-train --resume <the run's folder>``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from omegaconf import DictConfig

from arc_encoder.config.app.failing import user_errors
from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.settings import words_of_command
from arc_encoder.config.building.training import train_from_config
from arc_encoder.config.resume import expand_resume
from arc_encoder.training.checkpoints.resume import is_first_process


def train(config: DictConfig) -> float | None:
    """Train as `config` says; returns the metric that a sweep optimises."""
    metrics = train_from_config(config, words=words_of_command())
    run = Path(config.paths.run)
    if is_first_process():
        print(f"run: {run}")
        if (run / "compressor").is_dir():
            print(f"trained compressor: {run / 'compressor'}")
    return metrics.get(config.sweep_metric)


def main() -> None:
    """Console entry point."""
    with user_errors():
        sys.argv[1:] = expand_resume(sys.argv[1:])
    run_app("train", train)


if __name__ == "__main__":
    main()
