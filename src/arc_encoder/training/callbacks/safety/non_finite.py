"""NonFinite: a loss or gradient that is infinite or not a number is caught before it reaches a weight."""

from __future__ import annotations

import math
from typing import Any, Literal

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torch.optim import Optimizer

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.errors import ArcError, ConfigError, at_least
from arc_encoder.training.callbacks.monitoring.gradient_norms import norm_of

POLICIES = ("stop", "skip")


class NonFiniteError(ArcError):
    """A step that would have corrupted the weights."""


class NonFinite(Callback):
    """Looks at loss and gradient norm before each optimizer step, with one transfer from the GPU.

    Gradients are averaged over processes and losses compared, so all processes decide alike.
    With float16, gradients that overflow while the loss is finite belong to the search for a
    loss scale: the scaler leaves such steps out, and they count here only when they never end.

    Args:
        policy: ``stop`` ends the run with weights as they were after the last good step;
            ``skip`` throws this step's gradients away and continues.
        max_consecutive: this many bad steps in a row end the run under either policy.

    Raises:
        ConfigError: another policy, or a number below 1.
    """

    def __init__(self, policy: Literal["stop", "skip"] = "stop", max_consecutive: int = 20) -> None:
        if policy not in POLICIES:
            raise ConfigError(f"non-finite: policy={policy!r} is unknown; choose one of {', '.join(POLICIES)}")
        at_least(1, "non-finite", max_consecutive=max_consecutive)
        self.policy, self.max_consecutive = policy, max_consecutive
        self.skipped = self.in_a_row = 0
        self._batches: list[tuple[int, ArcBatch]] = []
        self._losses: list[Tensor] = []

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._batches, self._losses = [], []
        self._batches.append((batch_idx, batch))

    def on_before_backward(self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor) -> None:
        self._losses.append(loss.detach() * trainer.accumulate_grad_batches)

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        losses = torch.stack(self._losses).float()
        found = norm_of(p for group in optimizer.param_groups for p in group["params"])
        norm = torch.zeros(()) if found is None else found
        bad = torch.stack([~torch.isfinite(losses).all(), ~torch.isfinite(norm)]).float()
        if trainer.world_size > 1:
            bad = trainer.strategy.reduce(bad, reduce_op="sum")
        loss_is_bad, gradient_is_bad = (value > 0 for value in bad.tolist())
        if not (loss_is_bad or gradient_is_bad):
            self.in_a_row = 0
            self._log(pl_module)
            return
        self.in_a_row += 1
        searching = getattr(trainer.precision_plugin, "scaler", None) is not None and not loss_is_bad
        what = self._describe(trainer, losses)
        if self.in_a_row >= self.max_consecutive and (searching or self.policy == "skip"):
            raise NonFiniteError(f"{what}; this was bad step number {self.in_a_row} in a row. {ADVICE}")
        if searching:
            return
        if self.policy == "stop":
            raise NonFiniteError(
                f'{what}. The weights are those after step {trainer.global_step}. {ADVICE}, or leave such steps out with policy "skip"'
            )
        optimizer.zero_grad(set_to_none=True)  # AdamW moves a weight whose gradient is zero, not one without gradient
        self.skipped += 1
        rank_zero_warn(f"{what}; this step is left out ({self.skipped} so far, {self.in_a_row} in a row)")
        self._log(pl_module)

    def state_dict(self) -> dict[str, int]:
        return {"skipped": self.skipped, "in_a_row": self.in_a_row}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.skipped, self.in_a_row = state_dict["skipped"], state_dict["in_a_row"]

    def _log(self, pl_module: L.LightningModule) -> None:
        if self.skipped:
            pl_module.log("train/skipped_steps", float(self.skipped))

    def _describe(self, trainer: L.Trainer, losses: Tensor) -> str:
        """Which batches of this step, on all processes, are to blame."""
        values = losses.tolist()
        pairs = list(zip(self._batches, values, strict=True))
        blamed = [pair for pair in pairs if not math.isfinite(pair[1])] or pairs
        own = [
            f"batch {number} (task {batch.task}, decoder {batch.decoder}, samples {', '.join(batch.sample_ids)}, loss {loss:g})"
            for (number, batch), loss in blamed
        ]
        everyone: list[tuple[bool, list[str]]] = [(not math.isfinite(sum(values)), own)]
        if trainer.world_size > 1 and dist.is_initialized():
            gathered: list[Any] = [None] * dist.get_world_size()
            dist.all_gather_object(gathered, everyone[0])
            everyone = gathered
        guilty = [batches for bad, batches in everyone if bad]
        named = "; ".join(text for batches in (guilty or [batches for _, batches in everyone]) for text in batches)
        kind = "loss is" if guilty else "loss is finite, but the gradient is"
        return f"optimizer step {trainer.global_step + 1}: the {kind} infinite or not a number: {named}"


ADVICE = "Look at these samples, lower the learning rates (encoder_lr, projector_lr), or lengthen warmup_steps"
