"""RandomState: a resumed run draws the random numbers that the uninterrupted one would have drawn."""

from __future__ import annotations

from pathlib import Path

import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from arc_encoder.training.callbacks import RandomState
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
