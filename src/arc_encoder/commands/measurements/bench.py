"""`arc-bench`: does the data keep up with the model, and how much of a step is padding?

Run command: ``arc-bench data=toy_finetune``. It takes the configuration of `arc-train`, makes batches
with several numbers of workers, trains a few steps on them, and prints ratios of what it measured.
"""

from __future__ import annotations

from arc_encoder.config.app.run import run_app
from arc_encoder.tools.bench.training import bench_training


def main() -> None:
    """Console entry point."""
    run_app("bench", lambda config: print(bench_training(config)))
