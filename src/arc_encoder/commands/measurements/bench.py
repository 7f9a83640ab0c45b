"""`arc-bench`: does the data keep up with the model, and how much of a step is padding? `arc-bench serve`: how much faster
a gateway answers from vectors than from text.

Run command: ``arc-bench data=toy_finetune``, which takes the configuration of `arc-train`, makes batches
with several numbers of workers, trains a few steps on them, and prints ratios of what it measured; or
``arc-bench serve checkpoint=<run>/compressor decoder=toy_a documents=[256] clients=[1,8]``
"""

from __future__ import annotations

from functools import partial

from omegaconf import DictConfig

from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.compressors import load_compressor
from arc_encoder.config.building.settings import need, set_up_process

SETTINGS = ("text", "documents", "clients", "factors", "answer_tokens", "rounds", "output")


def run(config: DictConfig) -> None:
    """Measure a training as `config` says, and print tables."""
    from arc_encoder.tools.bench.training import bench_training

    print(bench_training(config))


def run_serving(config: DictConfig) -> None:
    """Measure a gateway as `config` says, and print a table."""
    from arc_encoder.tools.bench.serving.run import bench_serving, table_of

    need(config, "checkpoint", usage="arc-bench serve checkpoint=<run>/compressor decoder=<name>")
    set_up_process(config)
    print(table_of(bench_serving(load_compressor(config), **{key: config[key] for key in SETTINGS})))


main = partial(run_app, "bench", run)
serve = partial(run_app, "bench_serve", run_serving)
