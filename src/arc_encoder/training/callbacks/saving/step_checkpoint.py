"""StepCheckpoint: checkpoints of the newest steps, and of the last good step when a run ends early."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_info
from torch.optim import Optimizer

from arc_encoder.core.errors import CheckpointError
from arc_encoder.training.callbacks.safety.non_finite import SpoiltWeightsError
from arc_encoder.training.checkpoints.checkpoint_files import list_checkpoints, remove, sweep_unfinished


class AgreedCheckpoint(ModelCheckpoint):
    """Lightning's `ModelCheckpoint`, of which all processes learn when a write failed (they would wait forever)."""

    def _save_checkpoint(self, trainer: L.Trainer, filepath: str) -> None:
        problem = None
        try:
            super()._save_checkpoint(trainer, filepath)
        except CheckpointError as error:
            problem = str(error)
            trainer.strategy.barrier("Trainer.save_checkpoint")  # where the other processes wait
        problem = trainer.strategy.broadcast(problem)
        if problem is not None:
            raise CheckpointError(problem)


class StepCheckpoint(AgreedCheckpoint):
    """Saves every so many optimizer steps, at the last one, and when something stops the run.

    A new checkpoint is complete before an old one goes. A failed write ends the run on all
    processes with an error that names the last good checkpoint.

    Args:
        dirpath: folder of the checkpoints.
        every_n_train_steps: optimizer steps between two checkpoints.
        save_top_k: how many of the newest are kept; -1 keeps all, 0 writes none.
        save_on_exception: whether a run that fails or is interrupted saves its last good step.
        filename: name of a file, with Lightning's fields.
    """

    def __init__(
        self,
        dirpath: str,
        *,
        every_n_train_steps: int = 200,
        save_top_k: int = 2,
        save_on_exception: bool = True,
        filename: str = "{step}",
    ) -> None:
        super().__init__(
            dirpath,
            filename=filename,
            monitor="step",
            mode="max",
            save_top_k=min(save_top_k, 0) if save_top_k < 1 else -1,  # older ones are removed here, by what is there
            every_n_train_steps=every_n_train_steps,
            save_on_exception=save_on_exception,
            enable_version_counter=False,  # the same step again takes the file's place
        )
        self.keep = save_top_k
        self._half_done = False

    @property
    def state_key(self) -> str:
        """The same whatever the interval, which may change when a run is resumed."""
        return type(self).__name__

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        if trainer.is_global_zero and self.dirpath is not None:
            sweep_unfinished(Path(self.dirpath))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self._last_global_step_saved = trainer.global_step  # a step that was just loaded need not be saved again

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        self._half_done = True  # until the batch ends, some weights may have moved and others not

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._half_done = False
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if trainer.global_step == trainer.max_steps:  # a finished run can be made longer, or exported again
            self._save_now(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.should_stop:  # an early stop
            self._save_now(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Nothing: a run is one epoch, and its last step is saved by then."""

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        # A write that failed would fail again; half a step is no state to continue from, and neither are spoilt weights; a
        # second Ctrl-C is in a hurry.
        if self._half_done or isinstance(exception, CheckpointError | KeyboardInterrupt | SpoiltWeightsError):
            return
        if self.save_top_k == 0 or not self._should_save_on_exception(trainer):
            return
        file = self.format_checkpoint_name(self._monitor_candidates(trainer))
        self._save_checkpoint(trainer, file)
        rank_zero_info(f"optimizer step {trainer.global_step} is saved in {file}")

    def state_dict(self) -> dict[str, Any]:
        """Nothing: what is kept is decided by what is in the folder."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        pass

    def _save_now(self, trainer: L.Trainer) -> None:
        if self.save_top_k != 0 and not self._should_skip_saving_checkpoint(trainer):
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))

    def _save_checkpoint(self, trainer: L.Trainer, filepath: str) -> None:
        super()._save_checkpoint(trainer, filepath)
        if trainer.is_global_zero and self.keep > 0:
            for old in list_checkpoints(Path(filepath).parent)[self.keep :]:
                remove(old)
