"""ArcLightningModule: one optimizer step of an ARC-Encoder in front of frozen decoders."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor
from torchmetrics import MeanMetric

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.errors import ConfigError
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.decoder.output import ArcOutput
from arc_encoder.training.objectives import CrossEntropy, Objective
from arc_encoder.training.optim.optimizer import OptimSettings, make_optimizer
from arc_encoder.training.optim.trainable import set_trainable
from arc_encoder.training.sharding import ShardedStrategy, shard

# Figures that each process has of its own batch; the others are means over all processes.
OWN = ("train/token_accuracy", "train/padding_waste", "train/norm_ratio", "train/pooling_factor")


def log_interval(trainer: Any) -> int:
    """Optimizer steps between two entries of the logs, 0 for none. Lightning's `Trainer` has it without declaring it."""
    return int(trainer.log_every_n_steps)


class ArcLightningModule(L.LightningModule):
    """Trains encoder, projectors and task tokens; the decoders stay as they are.

    Args:
        model: the ARC-Encoder and its frozen decoders.
        optim: learning rates, schedule, and which parts are trained.
        objective: what is minimised; the method's cross-entropy by default.
    """

    def __init__(self, model: ArcForCausalLM, optim: OptimSettings, objective: Objective | None = None) -> None:
        super().__init__()
        self.model, self.optim, self.objective = model, optim, objective or CrossEntropy()
        model.compressor.train()
        set_trainable(model.compressor, optim, decoders=list(model.decoders))
        self._val_losses: dict[str, MeanMetric] = {}
        self._validated_step = -1  # optimizer step of the last complete validation
        self._just_resumed = False
        self._sharded = False
        self._figures: dict[str, tuple[Tensor | float, int]] = {}  # for the logs: newest value, and samples

    def configure_model(self) -> None:
        """Divide the weights among the processes, where the strategy asks for it.

        Raises:
            ConfigError: decoders whose place does not go with the strategy.
        """
        own = {name: d.placement.own for name, d in self.model.frozen_decoders().items()}
        shared = [f"{name}: {device}" for name, device in own.items() if device is not None and device.type == "cuda"]
        if shared and self.trainer.world_size > 1:
            raise ConfigError(
                f"{', '.join(shared)}: with {self.trainer.world_size} processes all of them would put the decoder on the same "
                "GPU; use offload instead of a device of its own, or one process"
            )
        if isinstance(self.trainer.strategy, ShardedStrategy) and not self._sharded:
            shard(self.model, self.trainer.strategy.device_mesh["data_parallel"])
            self._sharded = True

    def forward(self, batch: ArcBatch) -> ArcOutput:
        output: ArcOutput = self.model(batch)
        return output

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return (
            batch.to(device)
            if isinstance(batch, ArcBatch)
            else super().transfer_batch_to_device(batch, device, dataloader_idx)
        )

    def training_step(self, batch: ArcBatch, index: int) -> Tensor:
        """What is minimised, summed over the targets ÷ number of targets of the batch on all ranks."""
        found = self.objective(self.model, batch)
        output = found.output
        tokens = output.target_tokens.float()
        share = tokens if self.trainer.world_size == 1 else torch.as_tensor(self.all_gather(tokens)).float().mean()
        share = share.clamp(min=1)
        minimised, loss = found.minimised / share, output.loss_sum.detach() / share
        # The mean of the ranks' losses is the loss of the whole batch; a batch holds one task and one decoder on all ranks.
        figures: dict[str, Tensor | float] = {
            "train/loss": loss,
            f"train/loss/{batch.task}": loss,
            f"train/loss_by_decoder/{batch.decoder}": loss,
            f"train/token_accuracy/{batch.task}": output.correct_tokens / tokens.clamp(min=1),
            **{f"train/{name}/{batch.task}": term / share for name, term in found.terms.items()},
            "train/padding_waste": 1 - output.positions / output.slots,
            f"train/norm_ratio/{batch.decoder}": output.norm_ratio,
        }
        if batch.factor is not None:
            figures["train/pooling_factor"] = float(batch.factor)
        self._figures |= {name: (value, len(batch.sample_ids)) for name, value in figures.items()}
        self._log_figures()
        return minimised

    def _log_figures(self) -> None:
        """Hand the newest figures to Lightning in the steps that its logger writes, and in the last.

        Doing it at every step takes as long as a small model's batch. None is for Lightning's bar (`prog_bar`), which would
        read it from the GPU at every step.
        """
        step, every = self.trainer.global_step + 1, log_interval(self.trainer)
        if step != self.trainer.max_steps and (not every or step % every):
            return
        for name, (value, size) in self._figures.items():
            self.log(name, value, batch_size=size, sync_dist=not name.startswith(OWN))

    def on_train_batch_start(self, batch: ArcBatch, batch_idx: int) -> None:
        self._just_resumed = False

    def on_validation_start(self) -> None:
        if (
            self._just_resumed
        ):  # a validation that is made up for is logged where it would have been; Lightning then adds 1
            self.trainer.fit_loop.epoch_loop._batches_that_stepped = self.trainer.global_step - 1

    def on_validation_epoch_start(self) -> None:
        self._val_losses = {}

    def validation_step(self, batch: ArcBatch, index: int, dataloader_idx: int = 0) -> None:
        output = self(batch)
        tokens = output.target_tokens
        values = {"loss": output.loss, "token_accuracy": output.correct_tokens / tokens.clamp(min=1)}
        for kind, value in values.items():
            name = f"val/{kind}/{batch.decoder}/{batch.task}"
            metric = self._val_losses.setdefault(name, MeanMetric().to(self.device))
            metric.update(value, weight=tokens)

    def on_validation_epoch_end(self) -> None:
        losses = []
        for name, metric in self._val_losses.items():
            value = metric.compute()
            self.log(name, value)
            if name.startswith("val/loss/"):
                losses.append(value)
        if losses:
            self.log("val/loss", torch.stack(losses).mean(), prog_bar=True)
        if not self.trainer.sanity_checking:
            self._validated_step = self.trainer.global_step

    @property
    def validated(self) -> bool:
        """Whether the weights of this optimizer step were validated."""
        return self._validated_step == self.trainer.global_step

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["validated_step"] = self._validated_step

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue right after the last optimizer step, wherever the run was stopped.

        Gradients are not saved, so the batches that followed that step are computed again. Lightning's
        counters may be ahead of it; here they are set to what they are after the step's last batch.
        """
        if getattr(self, "_trainer", None) is None:  # only weights are loaded
            return
        steps, loop = checkpoint["global_step"], checkpoint["loops"]["fit_loop"]
        batches, progress = steps * self.trainer.accumulate_grad_batches, loop["epoch_loop.batch_progress"]
        for counts in (progress["total"], progress["current"]):
            counts.update(ready=batches, started=batches, processed=batches, completed=batches - 1)
        progress["is_last_batch"] = False
        loop["epoch_loop.state_dict"]["_batches_that_stepped"] = steps - 1
        self._validated_step = checkpoint.get("validated_step", -1)
        if self._validated_step != steps:  # if one is due after this step, it is done from its beginning
            validation = loop["epoch_loop.val_loop.batch_progress"]
            validation["total"].update(
                ready=1, started=1, processed=0, completed=0
            )  # Lightning's sign of "in its middle"
            validation["current"].update(ready=0, started=0, processed=0, completed=0)
            validation["is_last_batch"] = False
        self._just_resumed = True

    def configure_optimizers(self) -> Any:
        return make_optimizer(self.model.compressor, self.optim, self.trainer.max_steps)
