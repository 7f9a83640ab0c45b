"""Pretraining, fine-tuning and evaluation of an ARC-Encoder on the bundled toy world, one after the other in one folder."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig

from arc_encoder.config.building.benchmarks import benchmarks_of
from arc_encoder.config.building.settings import set_up_process
from arc_encoder.config.building.training import train_from_config
from arc_encoder.config.compose import composed
from arc_encoder.config.validation.check import check_config
from arc_encoder.config.validation.keys import keys_of
from arc_encoder.core.atomic import atomic_directory
from arc_encoder.core.compute import peak_memory_gib
from arc_encoder.core.errors import ConfigError
from arc_encoder.evaluation.evaluate import evaluate
from arc_encoder.evaluation.reporting.plots import plot_scores
from arc_encoder.evaluation.reporting.tables.result_tables import markdown_table
from arc_encoder.evaluation.runs.results import Cost, Part, Row, surviving_share, write_results
from arc_encoder.tools.planning.costs.work import prefill_work


def quickstart(config: DictConfig) -> None:
    """Run the three phases of `config` and write report.md, results.json and scores.png."""
    set_up_process(config)
    run = Path(config.paths.run)
    seconds: dict[str, float] = {}
    first, second = phases(config, run)
    print(f"1/3 pretraining: {config.pretrain_steps} steps of reconstruction and continuation")
    _timed(seconds, "pretraining", lambda: train_from_config(first))
    print(f"2/3 fine-tuning: {config.finetune_steps} steps of few-shot questions, summaries and translations")
    _timed(seconds, "fine-tuning", lambda: train_from_config(second))
    print("3/3 evaluation")
    rows, costs = _timed(seconds, "evaluation", lambda: _evaluate(config, run))
    report(config, rows, costs, seconds, run)
    point_to(run, Path(config.link))


def point_to(run: Path, latest: Path) -> None:
    """Make `latest` a folder of links to the results of `run`, in place of those to an earlier run.

    It shows no training's folder, but its compressor alone: TensorBoard follows links, and would show each run twice.

    Raises:
        ConfigError: there is a folder with files of its own.
    """
    if latest.is_symlink():  # to a whole run, by an earlier version
        latest.unlink()
    if own := next((file for file in latest.rglob("*") if file.is_file() and not file.is_symlink()), None):
        raise ConfigError(
            f"{latest} cannot be made a folder of links to the newest run, for it holds {own}; move it away"
        )
    with atomic_directory(latest) as fresh:
        fresh.mkdir()
        for entry in sorted(run.resolve().iterdir()):
            if not (entry / "tensorboard").is_dir():
                (fresh / entry.name).symlink_to(entry)
            elif (entry / "compressor").is_dir():
                (fresh / entry.name).mkdir()
                (fresh / entry.name / "compressor").symlink_to(entry / "compressor")


def report(config: DictConfig, rows: list[Row], costs: list[Cost], seconds: dict[str, float], run: Path) -> None:
    """Write and print the results."""
    shares = {factor: surviving_share(rows, factor) for factor in factors_of(config)}
    memory = peak_memory_gib(torch.device("cpu"))
    extra = {
        "surviving_share": shares,
        "seconds": seconds,
        "peak_memory_gib": memory,
        "decoder": config.decoder_name,
        "seed": config.seed,
    }
    write_results(run / "results.json", rows, costs, extra)
    plot_scores(rows, run / "scores.png")
    lines = [markdown_table(rows), ""]
    for factor, share in shares.items():
        if share is not None:
            lines.append(f"Share of the context's benefit that survives compression at factor {factor}: {share:.2f}")
    times = ", ".join(f"{name} {value / 60:.1f} min" for name, value in seconds.items())
    lines.append(f"Time: {times}. Peak memory: {memory:.1f} GiB.")
    text = "\n".join(lines)
    (run / "report.md").write_text(
        f"# ARC-Encoder in front of {config.decoder_name}\n\n{text}\n\n![scores](scores.png)\n"
    )
    print(
        f"\n{text}\n\nWritten to {run}: report.md, results.json, scores.png, and the trained compressor in finetune/compressor"
    )


def phases(config: DictConfig, run: Path) -> tuple[DictConfig, DictConfig]:
    """Checked configurations of the two trainings, so that a mistake in the second is told before the first.

    Raises:
        ConfigError: every mistake of the first that has one.
    """
    factor, other = factors_of(config)
    start = f"model.init_from={run / 'pretrain' / 'compressor'}"
    first = _training(config, "toy/pretrain", config.pretrain_steps, run / "pretrain", config.pretrain_overrides)
    several = f"data.factors=[{','.join(map(str, [*[factor] * 4, other]))}]"
    second = _training(
        config, "toy/finetune", config.finetune_steps, run / "finetune", [start, several, *config.finetune_overrides]
    )
    return first, second


def _training(config: DictConfig, experiment: str, steps: int, run: Path, own: Iterable[str]) -> DictConfig:
    overrides = [
        f"experiment={experiment}",
        f"decoder={config.decoder_name}",
        f"model.pooling.factor={config.factor}",
        f"trainer.max_steps={steps}",
        f"trainer.val_check_interval={max(1, steps // 3)}",
        f"optim.warmup_steps={max(1, min(50, steps // 4))}",
        f"data.batch_size={config.batch_size}",
        f"seed={config.seed}",
        f"paths.run={run}",
        f"paths.logs={config.paths.logs}",
        *config.overrides,
        *own,
    ]
    try:
        training = composed("train", overrides)
    except HydraException as error:
        raise ConfigError(
            f"the training {experiment} cannot be composed with {', '.join([f'decoder_name={config.decoder_name}', *config.overrides, *own])}: {error}"
        ) from error
    check_config(training, keys=keys_of("train"))
    return training


def factors_of(config: DictConfig) -> list[int]:
    """The pooling factors that are fine-tuned and evaluated."""
    return [config.factor, 2 * config.factor]


def _evaluate(config: DictConfig, run: Path) -> tuple[list[Row], list[Cost]]:
    """Every benchmark with the fine-tuned compressor."""
    order, benchmarks = (
        ["closed_book", "open_book", "truncate", "arc"],
        ["toy_qa", "toy_qa_new_names", "toy_continuation"],
    )
    chosen = [
        f"system=[{','.join(order)}]",
        f"benchmark=[{','.join(benchmarks)}]",
        f"decoder={config.decoder_name}",
        f"benchmark.limit={config.limit}",
        "paths.run=.",
    ]
    asked = composed("eval", chosen)
    rows, costs = evaluate(
        {name: instantiate(node) for name, node in asked.systems.items()},
        [benchmark for benchmark, _ in benchmarks_of(asked)],
        {config.decoder_name: partial(instantiate, asked.decoders[config.decoder_name])},
        run / "finetune" / "compressor",
        factors=factors_of(config),
        folder=run,
        price=prefill_work,
    )

    def place(part: Part) -> tuple[int, int, int]:
        return benchmarks.index(part.benchmark), order.index(part.system), part.pooling_factor or 0

    return sorted(rows, key=place), sorted(costs, key=place)


def _timed(seconds: dict[str, float], name: str, work: Any) -> Any:
    start = time.perf_counter()
    result = work()
    seconds[name] = time.perf_counter() - start
    return result
