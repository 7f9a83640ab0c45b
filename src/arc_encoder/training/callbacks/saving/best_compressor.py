"""ExportBest: publishes the compressor whenever a validation is the best so far."""

from __future__ import annotations

from typing import Any, Literal

import lightning as L
from lightning.pytorch.trainer.states import TrainerFn

from arc_encoder.core.errors import ConfigError
from arc_encoder.training.callbacks.saving.export import ExportCompressor


class ExportBest(ExportCompressor):
    """Like `ExportCompressor`, after each validation whose figure is better than all before.

    Args:
        folder: where to; the best one so far is replaced.
        monitor: the figure, as it is called in the logs.
        mode: whether ``min`` or ``max`` is better.

    Raises:
        ConfigError: another mode.
    """

    def __init__(
        self,
        folder: str,
        *,
        monitor: str = "val/loss",
        mode: Literal["min", "max"] = "min",
        dtype: str | None = None,
    ) -> None:
        super().__init__(folder, dtype)
        if mode not in ("min", "max"):
            raise ConfigError(f"export of the best: mode={mode!r} is unknown; choose min or max")
        self.monitor, self.mode = monitor, mode
        self.best: float | None = None

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        value = trainer.callback_metrics.get(self.monitor)
        if value is None:
            known = ", ".join(sorted(name for name in trainer.callback_metrics if name.startswith("val/"))) or "none"
            raise ConfigError(f"export of the best: no validation gives {self.monitor!r}; it gives: {known}")
        figure = float(value)
        if self.best is None or (figure < self.best if self.mode == "min" else figure > self.best):
            self.best = figure
            self.export(trainer, pl_module)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Nothing: the best one is there already."""

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
