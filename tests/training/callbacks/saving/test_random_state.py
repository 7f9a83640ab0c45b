"""RandomState: a resumed run draws the random numbers that the uninterrupted one would have drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from arc_encoder.training.callbacks import RandomState, StepCheckpoint
from tests.training.conftest import Fit, Record


def draws(fit: Fit, *callbacks: Callback, **options: object) -> list[float]:
    """A random number at each step, as dropout would draw it."""
    record = Record(lambda trainer, module: float(torch.rand(1)))
    fit(*callbacks, record, **options)
    return record.seen


def saving(folder: Path) -> ModelCheckpoint:
    return ModelCheckpoint(folder, filename="{step}", every_n_train_steps=3, save_top_k=-1)


def test_random_numbers_go_on_where_they_were(fit: Fit, tmp_path: Path) -> None:
    whole = draws(fit, RandomState(), saving(tmp_path), steps=6, enable_checkpointing=True)
    assert len(set(whole)) == 6
    rest = draws(fit, RandomState(), steps=6, resume=tmp_path / "step=3.ckpt")
    assert rest == whole[3:]
    # without the callback a resumed run starts over
    assert draws(fit, steps=6, resume=tmp_path / "step=3.ckpt") != whole[3:]


def test_a_checkpoint_without_random_state_is_accepted(fit: Fit, tmp_path: Path) -> None:
    fit(saving(tmp_path), steps=3, enable_checkpointing=True)
    assert len(draws(fit, RandomState(), steps=6, resume=tmp_path / "step=3.ckpt")) == 3


def test_the_state_loads_as_plain_tensors(fit: Fit, tmp_path: Path) -> None:
    fit(RandomState(), saving(tmp_path), steps=3, enable_checkpointing=True)
    state = torch.load(tmp_path / "step=3.ckpt", weights_only=True)["callbacks"]["RandomState"]
    assert state["cpu"].dtype == torch.uint8


def test_half_a_step_starts_again_with_the_numbers_of_its_beginning(fit: Fit, tmp_path: Path) -> None:
    """With accumulation, and when a run fails after numbers were drawn for the step that is lost."""
    options: dict[str, Any] = {"steps": 3, "accumulate_grad_batches": 2, "enable_checkpointing": True}
    whole = draws(fit, RandomState(), **options)
    with pytest.raises(RuntimeError, match="stop"):
        draws(fit, RandomState(), Stop(at=3), StepCheckpoint(str(tmp_path), every_n_train_steps=100), **options)
    rest = draws(fit, RandomState(), resume=tmp_path / "step=1.ckpt", **options)
    assert rest == whole[2:]


class Stop(Callback):
    """Draws a number and raises, in the backward pass of a batch."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    def on_before_backward(self, *_: Any) -> None:
        if self.calls == self.at:
            torch.rand(1)
            raise RuntimeError("stop")
        self.calls += 1
