"""StopOnSignal: SIGTERM, Ctrl-C and a cluster's warning end a run between two optimizer steps, saved."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn

from arc_encoder.core.errors import ConfigError, Interrupted

AGAIN = 75  # exit status EX_TEMPFAIL of sysexits.h: not done, worth starting again


class StopOnSignal(Callback):
    """Lets the step that is running end, agrees with all processes, then stops.

    Lightning's own handlers are replaced while training runs: in several processes they start a
    collective from within the handler, wherever the process is, and stop processes at different
    batches; under SLURM they save in the middle of a step.

    Args:
        signals: names of the signals; the second SIGINT (Ctrl-C) stops at once, without saving.

    Raises:
        ConfigError: a name that is no signal.
    """

    def __init__(self, signals: Sequence[str] = ("SIGTERM", "SIGINT", "SIGUSR1")) -> None:
        unknown = [name for name in signals if name not in signal.Signals.__members__]
        if unknown:
            raise ConfigError(f"stop on signal: {', '.join(unknown)} is no signal; give names such as SIGTERM, SIGUSR1")
        self.signals = [signal.Signals[name] for name in signals]
        self.received = 0
        self._process = os.getpid()
        self._before: dict[signal.Signals, Any] = {}
        self._group: Any = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.received, self._process = 0, os.getpid()
        if trainer.world_size > 1 and dist.is_initialized():
            # Asked on the CPU, so that no GPU waits.
            self._group = dist.new_group(backend="gloo")
        if threading.current_thread() is not threading.main_thread():  # Python lets only that one handle signals
            return
        for each in self.signals:
            self._before[each] = signal.signal(each, self._note)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._stop_if_asked(trainer)

    def on_validation_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._stop_if_asked(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler if handler is not None else signal.SIG_DFL)
        self._before = {}

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._before = {}  # Lightning puts the earlier handlers back; a second signal must not break the save

    def _stop_if_asked(self, trainer: L.Trainer) -> None:
        number = self.received
        if self._group is not None:
            asked = torch.tensor(number)
            dist.all_reduce(asked, op=dist.ReduceOp.MAX, group=self._group)
            number = int(asked)
        if not number:
            return
        # Lightning kills the whole run when a process that it started itself leaves with another status than 0.
        environment = getattr(trainer.strategy, "cluster_environment", None)
        follower = isinstance(environment, LightningEnvironment) and not trainer.is_global_zero
        raise Interrupted(
            f"stopped by {signal.Signals(number).name} after optimizer step {trainer.global_step}",
            status=0 if follower else AGAIN,
        )

    def _note(self, number: int, frame: FrameType | None) -> None:
        if (
            os.getpid() != self._process
        ):  # a process that prepares batches and inherited this: it is ended by its parent
            signal.signal(number, signal.SIG_DFL)
            return
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.received:
            print(
                f"\n{signal.Signals(number).name}: stopping after this optimizer step"
                + ("; press Ctrl-C again to stop at once, without saving" if number == signal.SIGINT else ""),
                file=sys.stderr,
                flush=True,
            )
        self.received = int(number)
