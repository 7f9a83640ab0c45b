"""Nothing that runs at every step asks for the value of a tensor: on a GPU that would wait until it is computed."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from arc_encoder.tools.planning.model_flops import ModelFlops
from arc_encoder.training.callbacks import (
    ContextWindowExtension,
    GradientNorms,
    NonFinite,
    Progress,
    Throughput,
)
from tests.training.conftest import Fit

# Functions in which tensors are read that are in main memory whatever the device, and the one part that waits.
ALLOWED = {
    "_count": "a batch is counted before it is put on a GPU",
    "shuffled": "which record comes next",
    "_get_value": "AdamW counts its steps in main memory",
    "batch_work": "operations are planned from lengths, in main memory",
    "predict": "the model reads the lengths of a batch once, to know its shapes",
}


class Values(TorchDispatchMode):
    """Notes whoever asks for a tensor's value."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            self.note()
        return func(*args, **(kwargs or {}))

    def note(self) -> None:
        stack = traceback.extract_stack()
        if not any(frame.name in ALLOWED for frame in stack):
            ours = [frame for frame in stack if "test_host_synchronisation" not in frame.filename][-6:]
            self.asked.append(" < ".join(f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in reversed(ours)))


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Values]:
    values = Values()
    with monkeypatch.context() as patched, values:
        for name in ("tolist", "numpy", "cpu"):  # these copy a CPU tensor without a word to the dispatcher
            plain = getattr(Tensor, name)

            def asking(self: Tensor, *args: Any, plain: Any = plain, **kwargs: Any) -> Any:
                values.note()
                return plain(self, *args, **kwargs)

            patched.setattr(Tensor, name, asking)
        yield values


class Steps(Callback):
    """Watches steps 2 to 5, from the end of one batch to the end of another."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch, self.values, self._open = monkeypatch, Values(), None

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == 2:
            self._open: Any = watched(self.monkeypatch)
            self.values = self._open.__enter__()
        if batch_idx == 6:
            self._open.__exit__(None, None, None)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_no_step_waits_for_the_gpu(fit: Fit, monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    steps = Steps(monkeypatch)
    callbacks = [
        steps,
        NonFinite(every_n_steps=20),
        Throughput(1),
        ModelFlops(1, peak_tflops=1.0),
        GradientNorms(),
        ContextWindowExtension(),
        Progress(refresh_rate=20),
    ]
    fit(
        *callbacks,
        steps=8,
        precision=precision,
        log_every_n_steps=20,
        val_check_interval=8,
        gradient_clip_val=1.0,
        enable_progress_bar=True,
    )
    assert steps.values.asked == []


def test_a_step_that_is_looked_at_is_noticed(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(monkeypatch)
    fit(steps, NonFinite(every_n_steps=1), steps=8, log_every_n_steps=20, val_check_interval=8)
    assert len(steps.values.asked) == 4
    assert all("_look" in each for each in steps.values.asked)
