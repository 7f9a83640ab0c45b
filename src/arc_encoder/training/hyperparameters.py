"""What a run was set to, beside its curves: in TensorBoard's HParams page and in other loggers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from torch.utils.tensorboard.summary import hparams

from arc_encoder.model.arc_model import ArcForCausalLM

GROUPS = ("seed", "model", "optim", "objective", "trainer", "decoders", "data")
SCORES = "at_end"  # beginning of what stands beside the settings; the page begins with what sorts first


def log_hyperparameters(config: Mapping[str, Any], model: ArcForCausalLM, loggers: Iterable[Logger]) -> None:
    """Send the flattened configuration and the number of trained parameters to every logger."""
    trained = sum(p.numel() for p in model.compressor.parameters() if p.requires_grad)
    values: dict[str, Any] = {"trained_parameters": trained}
    for group in GROUPS:
        values.update(flatten(group, config[group]) if group in config else {})
    for logger in loggers:
        logger.log_hyperparams(values)
        if isinstance(logger, TensorBoardLogger):
            # Without the description of an experiment, which PyTorch writes with it: TensorBoard then finds out itself
            # in what runs differ, and shows that first.
            _, start, _ = hparams(values, {})
            _write(logger, start)


def log_outcome(metrics: Mapping[str, float], step: int, loggers: Iterable[Logger]) -> None:
    """Write the last validation, if there was one, beside the hyperparameters."""
    found = {name.removeprefix("val/"): value for name, value in metrics.items() if name.startswith("val/")}
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_metrics({f"{SCORES}/{name}": value for name, value in found.items()}, step)
            _, _, end = hparams({}, {})
            _write(logger, end)
            logger.save()


def _write(logger: TensorBoardLogger, summary: Any) -> None:
    if getattr(rank_zero_only, "rank", 0) == 0:  # elsewhere there is no writer
        logger.experiment._get_file_writer().add_summary(summary)


def flatten(prefix: str, value: Any) -> dict[str, Any]:
    """Nested dictionaries as one level, a class by its name: {"model.pooling": "MeanPooling", "model.pooling.factor": 4}."""
    if isinstance(value, dict):
        named = {prefix: str(value["_target_"]).rpartition(".")[2]} if "_target_" in value else {}
        inner = {name: each for name, each in value.items() if not str(name).startswith("_")}
        return named | {
            key: leaf for name, each in inner.items() for key, leaf in flatten(f"{prefix}.{name}", each).items()
        }
    return {prefix: value if isinstance(value, bool | int | float | str) else str(value)}
