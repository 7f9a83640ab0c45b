"""What a run was set to, beside its curves: in TensorBoard's HParams page and in other loggers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger

from arc_encoder.model.arc_model import ArcForCausalLM

GROUPS = ("seed", "model", "optim", "objective", "trainer", "decoders", "data")  # what variants differ in comes first


def log_hyperparameters(config: Mapping[str, Any], model: ArcForCausalLM, loggers: Iterable[Logger]) -> None:
    """Send the flattened configuration and the number of trained parameters to every logger."""
    trained = sum(p.numel() for p in model.compressor.parameters() if p.requires_grad)
    values: dict[str, Any] = {"trained_parameters": trained}
    for group in GROUPS:
        values.update(flatten(group, config[group]) if group in config else {})
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(values, {"hp/loss": math.nan})  # until a validation: no number is the best of all
        else:
            logger.log_hyperparams(values)


def log_outcome(metrics: Mapping[str, float], step: int, loggers: Iterable[Logger]) -> None:
    """Write the last validation beside the hyperparameters."""
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            final = {
                f"hp/{name.removeprefix('val/')}": value for name, value in metrics.items() if name.startswith("val/")
            }
            logger.log_metrics(final, step)
            logger.save()


def flatten(prefix: str, value: Any) -> dict[str, Any]:
    """Nested dictionaries as one level, a class by its name: {"model.pooling": "MeanPooling", "model.pooling.factor": 4}."""
    if isinstance(value, dict):
        named = {prefix: str(value["_target_"]).rpartition(".")[2]} if "_target_" in value else {}
        inner = {name: each for name, each in value.items() if not str(name).startswith("_")}
        return named | {
            key: leaf for name, each in inner.items() for key, leaf in flatten(f"{prefix}.{name}", each).items()
        }
    return {prefix: value if isinstance(value, bool | int | float | str) else str(value)}
