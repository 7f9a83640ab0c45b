"""A training in forked processes that are killed with SIGKILL at seeded random moments, and resumed each time.

The parent has imported everything, so that a start takes about a second.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback

from arc_encoder.commands.experiments.train import main
from tests.tiny_runs import no_hydra

EVENTS = mmap.mmap(-1, 8)  # shared with forked processes: what has happened in the training that runs


class Record(Callback):
    """Appends "step loss" for every optimizer step, to the last bit, before the step's checkpoint is written."""

    def __init__(self, file: str) -> None:
        self.file, self.losses = file, []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self.losses = []
        happened()

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        self.losses.append(float(loss).hex())
        happened()

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        happened()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            with open(self.file, "a") as lines:
                lines.write(f"{trainer.global_step} {' '.join(self.losses)}\n")
        happened()

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        happened()

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        with open(f"{self.file}.validation", "a") as lines:
            lines.write(f"{trainer.global_step} {float(trainer.callback_metrics['val/loss']).hex()}\n")
        happened()


def happened() -> None:
    EVENTS[:8] = (int.from_bytes(EVENTS[:8], "little") + 1).to_bytes(8, "little")


def events() -> int:
    return int.from_bytes(EVENTS[:8], "little")


def begin(words: Sequence[str], output: Path) -> int:
    """Run `arc-train` with `words` in a forked process; returns its number."""
    EVENTS[:8] = bytes(8)
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        out = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        sys.argv = ["arc-train", *words]
        with no_hydra():
            main()
        status = 0
    except SystemExit as left:
        status = int(left.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def finished(child: int) -> int | None:
    """Exit status of a process that has ended, negative if a signal ended it; None while it runs."""
    pid, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def wait(child: int, seconds: float = 300) -> int:
    end = time.monotonic() + seconds
    while (status := finished(child)) is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    return status


def kill_somewhere(child: int, rng: random.Random, max_steps: int) -> bool:
    """SIGKILL after a random number of events and up to 10 ms; False if the process had ended by itself."""
    target, more = rng.randint(0, max_steps), rng.random() * 0.01
    if target == 0:
        more = rng.random() * 0.8  # while it starts
    while events() < target:
        status = finished(child)
        if status is not None:
            assert status == 0, status
            return False
        time.sleep(0.0002)
    time.sleep(more)
    os.kill(child, signal.SIGKILL)
    return wait(child) == -signal.SIGKILL


def values(file: Path) -> dict[int, set[str]]:
    """Step → everything that was recorded for it, one entry if all starts agree."""
    found: dict[int, set[str]] = {}
    lines = file.read_text().split("\n") if file.exists() else [""]
    for line in lines[:-1]:  # a write that was cut off has no end of line
        step, value = line.split(" ", 1)
        found.setdefault(int(step), set()).add(value)
    return found
