"""`arc-train`: train an ARC-Encoder, or go on with a run.

Run command: ``arc-train experiment=toy/pretrain``, ``arc-train --resume <the run's folder>``.
"""

from __future__ import annotations

import math
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from omegaconf import DictConfig, OmegaConf

from arc_encoder.config.app.failing import fail
from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.decoders import build_decoders
from arc_encoder.config.resume import expand_resume, find_checkpoint, is_first_process, tell_changes
from arc_encoder.core.atomic import write_text_atomically
from arc_encoder.core.errors import ArcError, ConfigError, Interrupted
from arc_encoder.core.run_folder.lock import holding
from arc_encoder.core.run_folder.record import add_start, describe_start
from arc_encoder.model.arc_model import ArcModel
from arc_encoder.training.fit import fit, plugins
from arc_encoder.training.objectives import Objective

KEYS = {
    "seed", "threads", "imports", "ckpt", "resume", "data", "model", "decoders", "optim", "objective", "trainer", "callbacks", "logger", "paths",
    "experiment_name", "sweep_metric",
}  # fmt: skip


def train(config: DictConfig) -> float | None:
    """Train as `config` says; returns the metric that a sweep optimises.

    Raises:
        ConfigError: another command is at work in the run's folder.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    L.seed_everything(config.seed, workers=True, verbose=False)
    run = Path(config.paths.run)
    with holding(run) if is_first_process() else nullcontext():
        metrics = _fit(config, run)
    if is_first_process():
        print(f"run: {run}")
        if (run / "compressor").is_dir():
            print(f"trained compressor: {run / 'compressor'}")
    return metrics.get(config.sweep_metric)


def _fit(config: DictConfig, run: Path) -> dict[str, float]:
    """Everything between the folder and the last metrics."""
    resume = find_checkpoint(config.resume, run)
    if is_first_process():
        prepare_folder(run, config, resume)
    data = instantiate(config.data)
    decoders = build_decoders(config.get("decoders") or {})
    model, tokenizer = instantiate(config.model)(decoders=decoders)
    callbacks: list[Callback] = [instantiate(node) for node in (config.callbacks or {}).values() if node]
    loggers: list[Logger] = [instantiate(node) for node in (config.logger or {}).values() if node]
    trainer = build_trainer(config.trainer, callbacks, loggers)
    objective: Objective = instantiate(config.objective)
    optim = instantiate(config.optim)
    log_hyperparameters(config, model, loggers)
    try:
        metrics = fit(model, tokenizer, data, optim, folder=run, trainer=trainer, objective=objective, resume=resume)
    except Interrupted as stop:
        raise Interrupted(f"{stop}; go on with: arc-train --resume {run}", status=stop.status) from stop
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            final = {
                f"hp/{name.removeprefix('val/')}": value for name, value in metrics.items() if name.startswith("val/")
            }
            logger.log_metrics(final, trainer.global_step)
            logger.save()
    return metrics


def build_trainer(node: DictConfig, callbacks: list[Callback], loggers: list[Logger]) -> L.Trainer:
    """The Lightning Trainer of a configuration.

    Raises:
        ConfigError: settings that Lightning cannot use here.
    """
    chosen = [*(instantiate(each) for each in node.get("plugins") or []), *plugins()]
    try:
        trainer: L.Trainer = instantiate(node, callbacks=callbacks, logger=loggers or False, plugins=chosen)
    except InstantiationException as error:
        raise ConfigError(f"Lightning refuses the trainer's settings: {error.__cause__ or error}") from error
    return trainer


def prepare_folder(run: Path, config: DictConfig, checkpoint: str | None = None) -> None:
    """Make the run's folder and write into it the resolved configuration and a record of this start.

    Raises:
        ConfigError: the folder cannot be written, or the run would end before the step of `checkpoint`.
    """
    start = describe_start(seed=config.seed, checkpoint=checkpoint)
    if checkpoint:
        resolved: Any = OmegaConf.to_container(config, resolve=True)
        tell_changes(checkpoint, resolved, start["versions"])
        if Path(checkpoint).resolve().parent.parent == run.resolve():
            Path(checkpoint).touch()  # an older one that was chosen is the newest from now on
    try:
        run.mkdir(parents=True, exist_ok=True)
        write_text_atomically(run / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
        add_start(run, start)
    except OSError as error:
        raise ConfigError(
            f"the run's folder {run} cannot be written ({error.strerror}); choose another with paths.run=<folder>"
        ) from error


def log_hyperparameters(config: DictConfig, model: ArcModel, loggers: list[Logger]) -> None:
    """Send the flattened configuration and the parameter counts to every logger; what variants differ in comes first."""
    values: dict[str, Any] = {
        "trained_parameters": sum(p.numel() for p in model.compressor.parameters() if p.requires_grad)
    }
    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    for group in ("seed", "model", "optim", "objective", "trainer", "decoders", "data"):
        values.update(flatten(group, container.get(group)))
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(values, {"hp/loss": math.nan})  # until a validation: no number is the best of all
        else:
            logger.log_hyperparams(values)


def flatten(prefix: str, value: Any) -> dict[str, Any]:
    """Nested dictionaries as one level, a class by its name: {"model.pooling": "MeanPooling", "model.pooling.factor": 4}."""
    if isinstance(value, dict):
        named = {prefix: str(value["_target_"]).rpartition(".")[2]} if "_target_" in value else {}
        inner = {name: each for name, each in value.items() if not str(name).startswith("_")}
        return named | {
            key: leaf for name, each in inner.items() for key, leaf in flatten(f"{prefix}.{name}", each).items()
        }
    return {prefix: value if isinstance(value, bool | int | float | str) else str(value)}


def main() -> None:
    """Console entry point."""
    try:
        sys.argv[1:] = expand_resume(sys.argv[1:])
    except ArcError as error:
        fail(str(error))
    run_app("train", train, keys=KEYS)


if __name__ == "__main__":
    main()
