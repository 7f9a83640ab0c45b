"""NonFinite: a loss or gradient that is infinite or not a number is caught before anything is saved of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
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
from arc_encoder.training.module import log_interval

POLICIES = ("stop", "skip")


class NonFiniteError(ArcError):
    """A step that would have corrupted the weights."""


class SpoiltWeightsError(NonFiniteError):
    """A step that did: nothing may be saved any more."""


@dataclass(frozen=True)
class Step:
    """An optimizer step that was not looked at yet.

    Attributes:
        number: of the optimizer step, from 1 on.
        batches: number and description of each of its batches.
        losses: (batches,) on the device.
        bad: (2,) above 0 where a loss, or the gradient, is infinite or not a number; on the device.
    """

    number: int
    batches: list[tuple[int, str]]
    losses: Tensor
    bad: Tensor


class NonFinite(Callback):
    """Looks at losses and gradient norms of optimizer steps.

    To look means to wait until a GPU has computed the step, and then it has nothing to do until the next is prepared. So
    on a GPU several steps are looked at together, and always before anything is saved, validated or published: a run
    that went wrong in between stops with the step and its batches named, and resumes from its newest checkpoint, which
    is sound. Where every step is looked at before it is made, as on a CPU, bad values never reach a weight.

    Gradients are averaged over processes and losses compared, so all processes decide alike.
    With float16, gradients that overflow while the loss is finite belong to the search for a
    loss scale: the scaler leaves such steps out, and they count here only when they never end.

    Args:
        policy: ``stop`` ends the run; ``skip`` throws a bad step's gradients away and continues, for which every step
            is looked at.
        max_consecutive: this many bad steps in a row end the run under either policy.
        every_n_steps: optimizer steps that are looked at together under ``stop``; None is 1 on a CPU, and on a GPU as
            many as lie between two lines of the logs.

    Raises:
        ConfigError: another policy, a number below 1, or ``skip`` with steps that are looked at too late.
    """

    def __init__(
        self,
        policy: Literal["stop", "skip"] = "stop",
        max_consecutive: int = 20,
        every_n_steps: int | None = None,
    ) -> None:
        if policy not in POLICIES:
            raise ConfigError(f"non-finite: policy={policy!r} is unknown; choose one of {', '.join(POLICIES)}")
        at_least(1, "non-finite", max_consecutive=max_consecutive, every_n_steps=every_n_steps)
        if policy == "skip" and (every_n_steps or 1) > 1:
            raise ConfigError(
                f"non-finite: every_n_steps={every_n_steps} would find a bad step after it was made, but policy='skip' leaves "
                "it out before; leave every_n_steps out"
            )
        self.policy, self.max_consecutive, self.every_n_steps = policy, max_consecutive, every_n_steps
        self.skipped = self.in_a_row = 0
        self._batches: list[tuple[int, ArcBatch]] = []
        self._losses: list[Tensor] = []
        self._pending: list[Step] = []
        self._interval = 1

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        on_gpu = pl_module.device.type != "cpu" and self.policy == "stop"
        self._interval = self.every_n_steps or (max(1, log_interval(trainer)) if on_gpu else 1)

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
        norm = losses.new_zeros(()) if found is None else found
        bad = torch.stack([~torch.isfinite(losses).all(), ~torch.isfinite(norm)]).float()
        named = [(number, _described(batch)) for number, batch in self._batches]
        self._pending.append(Step(trainer.global_step + 1, named, losses, bad))
        if len(self._pending) >= self._interval and self._look(trainer, before_the_step=self._interval == 1):
            # AdamW moves a weight whose gradient is zero, not one without gradient.
            optimizer.zero_grad(set_to_none=True)
        if self.skipped:
            pl_module.log("train/skipped_steps", float(self.skipped))

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == trainer.max_steps:
            self._look(trainer)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._look(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._look(trainer)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self._look(trainer)

    def state_dict(self) -> dict[str, int]:
        return {"skipped": self.skipped, "in_a_row": self.in_a_row}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.skipped, self.in_a_row = state_dict["skipped"], state_dict["in_a_row"]

    def _look(self, trainer: L.Trainer, *, before_the_step: bool = False) -> bool:
        """Wait for the steps that were not looked at; whether the last of them is to be left out.

        Raises:
            NonFiniteError: one of them is bad, and the run is to stop. What was looked at stays pending, so that nothing
                can be saved afterwards.
        """
        if not self._pending:
            return False
        flags = torch.stack([step.bad for step in self._pending])
        if trainer.world_size > 1:
            flags = trainer.strategy.reduce(flags, reduce_op="sum")
        leave_out = False
        for step, (loss_is_bad, gradient_is_bad) in zip(self._pending, (flags > 0).tolist(), strict=True):
            leave_out = (loss_is_bad or gradient_is_bad) and self._judge(
                trainer, step, loss_is_bad, before_the_step=before_the_step
            )
            if not (loss_is_bad or gradient_is_bad):
                self.in_a_row = 0
        self._pending = []
        return leave_out

    def _judge(self, trainer: L.Trainer, step: Step, loss_is_bad: bool, *, before_the_step: bool) -> bool:
        """Stop the run because of a bad step, or say whether it is to be left out here."""
        self.in_a_row += 1
        searching = getattr(trainer.precision_plugin, "scaler", None) is not None and not loss_is_bad
        what = _blamed(step, trainer.world_size)
        if self.in_a_row >= self.max_consecutive and (searching or self.policy == "skip"):
            raise self._stopped(f"{what}; this was bad step number {self.in_a_row} in a row. {ADVICE}", before_the_step)
        if searching:
            return False
        if self.policy == "stop":
            state = (
                f"The weights are those after step {step.number - 1}"
                if before_the_step
                else "The weights are spoilt since then, and nothing was saved of them: resume from the newest checkpoint"
            )
            advice = f'{ADVICE}, or leave such steps out with policy "skip"'
            raise self._stopped(f"{what}. {state}. {advice}", before_the_step)
        self.skipped += 1
        rank_zero_warn(f"{what}; this step is left out ({self.skipped} so far, {self.in_a_row} in a row)")
        return True

    def _stopped(self, text: str, before_the_step: bool) -> NonFiniteError:
        if not before_the_step:
            return SpoiltWeightsError(text)
        self._pending = []  # the weights are sound, and may be saved
        return NonFiniteError(text)


def _described(batch: ArcBatch) -> str:
    return f"task {batch.task}, decoder {batch.decoder}, samples {', '.join(batch.sample_ids)}"


def _blamed(step: Step, world_size: int) -> str:
    """Which batches of a step, on all processes, are to blame."""
    values = step.losses.tolist()
    pairs = list(zip(step.batches, values, strict=True))
    blamed = [pair for pair in pairs if not math.isfinite(pair[1])] or pairs
    own = [f"batch {number} ({about}, loss {loss:g})" for (number, about), loss in blamed]
    everyone: list[tuple[bool, list[str]]] = [(not math.isfinite(sum(values)), own)]
    if world_size > 1 and dist.is_initialized():
        gathered: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(gathered, everyone[0])
        everyone = gathered
    guilty = [batches for bad, batches in everyone if bad]
    named = "; ".join(text for batches in (guilty or [batches for _, batches in everyone]) for text in batches)
    kind = "loss is" if guilty else "loss is finite, but the gradient is"
    return f"optimizer step {step.number}: the {kind} infinite or not a number: {named}"


ADVICE = "Look at these samples, lower the learning rates (encoder_lr, projector_lr), or lengthen warmup_steps"
