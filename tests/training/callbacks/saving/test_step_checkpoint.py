"""StepCheckpoint: the newest are kept, the last step is saved, half a step never is."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping

from arc_encoder.core.errors import CheckpointError
from arc_encoder.training.callbacks import ExportBest, StepCheckpoint, WeightAverage
from arc_encoder.training.callbacks.saving.step_checkpoint import AgreedCheckpoint
from arc_encoder.training.checkpoints import checkpoint_files
from arc_encoder.training.checkpoints.checkpoint_files import AtomicCheckpointIO
from tests.training.conftest import Fit, data_module, settings


class Fails(Callback):
    """Raises in a hook, at its call number `at` from 0 on."""

    def __init__(self, hook: str, at: int, error: BaseException) -> None:
        self.calls, self.at, self.error = 0, at, error
        setattr(self, hook, self._fail)

    def _fail(self, *_: Any, **__: Any) -> None:
        self.calls += 1
        if self.calls == self.at + 1:
            raise self.error


def saved(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()


def validated() -> Any:
    return data_module(validation={"again": data_module().tasks["reconstruction"]}, validation_batches=1)


@pytest.mark.parametrize(("keep", "expected"), [(2, {4, 5}), (1, {5}), (3, {2, 4, 5}), (-1, {2, 4, 5}), (0, set())])
def test_the_newest_are_kept_with_the_last_step(fit: Fit, tmp_path: Path, keep: int, expected: set[int]) -> None:
    fit(StepCheckpoint(str(tmp_path / "c"), every_n_train_steps=2, save_top_k=keep), steps=5, enable_checkpointing=True)
    assert saved(tmp_path / "c") == {f"step={step}.ckpt" for step in expected}


def test_older_ones_go_whoever_wrote_them(fit: Fit, tmp_path: Path) -> None:
    checkpoint = StepCheckpoint(str(tmp_path), every_n_train_steps=2)
    fit(checkpoint, steps=4, enable_checkpointing=True)
    (tmp_path / ".step=5.ckpt.99.part").touch()  # of a start that was killed
    again = StepCheckpoint(str(tmp_path), every_n_train_steps=3)
    fit(again, steps=7, resume=tmp_path / "step=4.ckpt", enable_checkpointing=True)
    assert saved(tmp_path) == {"step=6.ckpt", "step=7.ckpt"}


def test_a_run_that_fails_saves_its_last_good_step(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stop"):
        fit(
            StepCheckpoint(str(tmp_path), every_n_train_steps=100),
            Fails("on_before_backward", 3, RuntimeError("stop")),
            steps=6,
            enable_checkpointing=True,
        )
    assert saved(tmp_path) == {"step=3.ckpt"}


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt()])
def test_half_a_step_is_never_saved(fit: Fit, tmp_path: Path, error: BaseException, monkeypatch: Any) -> None:
    step, calls = torch.optim.AdamW.step, []

    def fails(self: Any, closure: Any = None) -> Any:
        calls.append(1)
        result = step(self, closure)
        if len(calls) == 4:  # the weights have moved, and nothing else knows of it
            raise error
        return result

    monkeypatch.setattr(torch.optim.AdamW, "step", fails)
    with pytest.raises((RuntimeError, SystemExit)):
        fit(StepCheckpoint(str(tmp_path), every_n_train_steps=2), steps=6, enable_checkpointing=True)
    assert saved(tmp_path) == {"step=2.ckpt"}


def test_a_full_disk_ends_the_run_with_the_one_before_in_place(fit: Fit, tmp_path: Path, monkeypatch: Any) -> None:
    write, calls = torch.save, []

    def full(what: Any, file: Any) -> None:
        calls.append(1)
        write(what, file)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint_files.torch, "save", full)
    with pytest.raises(
        CheckpointError, match=rf"step=4.ckpt could not be written .*last good one is {tmp_path}/step=2.ckpt"
    ):
        fit(
            StepCheckpoint(str(tmp_path), every_n_train_steps=2),
            steps=6,
            enable_checkpointing=True,
            plugins=[AtomicCheckpointIO()],
        )
    assert len(calls) == 2  # it is not tried again on the way out
    assert saved(tmp_path) == {"step=2.ckpt"}
    _, whole = fit(steps=6)
    _, rest = fit(steps=6, resume=tmp_path / "step=2.ckpt")
    one, other = (module.model.compressor.state_dict() for module in (whole, rest))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_a_run_that_stops_early_is_saved_where_it_stopped(fit: Fit, tmp_path: Path) -> None:
    trainer, _ = fit(
        EarlyStopping("val/loss", patience=1, min_delta=100.0),
        StepCheckpoint(str(tmp_path), every_n_train_steps=100),
        steps=50,
        val_check_interval=3,
        data=validated(),
        enable_checkpointing=True,
    )
    assert trainer.global_step == 6
    assert saved(tmp_path) == {"step=6.ckpt"}


@pytest.mark.parametrize("average", [False, True])
def test_the_best_is_published_and_kept(fit: Fit, tmp_path: Path, average: bool) -> None:
    """With rates that grow worse: the best validation is the first, and it stays the best over a resume."""

    def callbacks() -> list[Callback]:
        best = AgreedCheckpoint(
            str(tmp_path / "best"), filename="{step}", monitor="val/loss", mode="min", save_top_k=1,
            save_on_train_epoch_end=False, every_n_epochs=1, enable_version_counter=False,
        )  # fmt: skip
        parts = [ExportBest(str(tmp_path / "out")), best, StepCheckpoint(str(tmp_path / "new"), every_n_train_steps=2)]
        return [*parts, WeightAverage(0.5, warmup=False)] if average else parts

    options: dict[str, Any] = {"val_check_interval": 2, "enable_checkpointing": True, "data": validated()}
    wild = settings(encoder_lr=3.0, projector_lr=3.0, task_token_lr=3.0)
    fit(*callbacks(), steps=4, optim=wild, **options)
    first = (tmp_path / "out" / "model.safetensors").read_bytes()
    assert len(saved(tmp_path / "best")) == 1
    kept = saved(tmp_path / "best")
    fit(*callbacks(), steps=6, optim=wild, resume=tmp_path / "new" / "step=4.ckpt", **options)
    better = saved(tmp_path / "best") != kept
    assert ((tmp_path / "out" / "model.safetensors").read_bytes() != first) == better
    assert len(saved(tmp_path / "best")) == 1


def test_a_figure_that_nobody_gives_is_refused(fit: Fit, tmp_path: Path) -> None:
    from arc_encoder.core.errors import ConfigError

    with pytest.raises(ConfigError, match=r"no validation gives 'val/los'; it gives: .*val/loss"):
        fit(ExportBest(str(tmp_path / "out"), monitor="val/los"), steps=2, data=validated())
