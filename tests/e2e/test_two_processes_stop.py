"""Two processes that are stopped, that meet a bad loss on one of them, or whose disk is full, decide alike."""

from __future__ import annotations

import errno
import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from arc_encoder.training.callbacks.safety.stop_on_signal import AGAIN
from arc_encoder.training.checkpoints import checkpoint_files
from tests.e2e.test_resume import assert_same_weights, wait_for
from tests.tiny_runs import finish, losses, model_overrides, short_overrides, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # a minute on an idle machine


@pytest.fixture(autouse=True)
def _callbacks_of_this_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processes that are started import this file."""
    places = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(place for place in places if place))


class SpoilOne(Callback):
    """An infinite loss, whose gradient is finite, in one batch of the second process alone."""

    def __init__(self, batch: int) -> None:
        self.batch = batch

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        trainer.callbacks.sort(key=lambda callback: callback is not self)  # in front of who looks at the loss

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        if trainer.global_rank == 1 and trainer.global_step == self.batch:
            with torch.no_grad():
                loss.fill_(math.inf)


class FullDisk(Callback):
    """From optimizer step `step` on, nothing can be written."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step >= self.step:
            checkpoint_files.torch.save = self._full

    @staticmethod
    def _full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


class SignalOne(Callback):
    """SIGTERM to the second process alone."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        if trainer.global_rank == 1 and trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def words(model: Path, run: Path, *, steps: int, accumulate: int = 1) -> list[str]:
    return [
        *model_overrides(model),
        *short_overrides(steps=steps),
        "trainer=ddp",
        "trainer.accelerator=cpu",
        f"trainer.accumulate_grad_batches={accumulate}",
        "callbacks.checkpoint.every_n_train_steps=20",
        "+logger.csv.flush_logs_every_n_steps=1",
        f"paths.run={run}",
        f"hydra.run.dir={run}",
    ]


def added(name: str, **settings: Any) -> list[str]:
    target = f"+callbacks.extra._target_=tests.e2e.test_two_processes_stop.{name}"
    return [target, *(f"+callbacks.extra.{key}={value}" for key, value in settings.items())]


def ended(process: Any) -> tuple[int, str]:
    try:
        output, _ = process.communicate(timeout=300)
    finally:
        process.kill()
    return process.returncode, output


def test_a_signal_to_the_first_process_stops_both_and_the_run_goes_on_exactly(tiny_model: Path, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    options = {"steps": 60, "accumulate": 2}
    finish(start("arc-train", *words(tiny_model, whole, **options), cwd=tmp_path))
    process = start("arc-train", *words(tiny_model, part, **options), cwd=tmp_path)
    wait_for(part / "checkpoints", "step=20.ckpt", process)
    process.send_signal(signal.SIGTERM)
    status, output = ended(process)
    assert status == AGAIN, output
    assert output.count("stopped by SIGTERM after optimizer step") == 1
    assert f"continue with: arc-train --resume {part}" in output
    reached = len(losses(part))
    assert 20 <= reached < 60
    assert (part / "checkpoints" / f"step={reached}.ckpt").is_file()
    finish(start("arc-train", "--resume", str(part), cwd=tmp_path))
    assert losses(part) == losses(whole)
    assert_same_weights(whole, part)


def test_a_signal_to_the_second_process_alone_stops_both(tiny_model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    status, output = ended(
        start("arc-train", *words(tiny_model, run, steps=50), *added("SignalOne", step=5), cwd=tmp_path)
    )
    assert status == AGAIN, output
    assert "stopped by SIGTERM after optimizer step 6" in output
    assert os.listdir(run / "checkpoints") == ["step=6.ckpt"]


@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_a_bad_loss_of_one_process_is_everyones(tiny_model: Path, tmp_path: Path, policy: str) -> None:
    run = tmp_path / "run"
    given = [*words(tiny_model, run, steps=9), f"callbacks.non_finite.policy={policy}", *added("SpoilOne", batch=4)]
    status, output = ended(start("arc-train", *given, cwd=tmp_path))
    assert "optimizer step 5: the loss is infinite or not a number: batch 4 (task " in output
    assert "loss inf)" in output
    assert output.count("loss inf)") == output.count(" samples ")  # the good batch of the other process is not blamed
    if policy == "stop":
        assert status != 0
        assert os.listdir(run / "checkpoints") == ["step=4.ckpt"]
    else:
        assert status == 0, output
        assert "this step is left out (1 so far, 1 in a row)" in output
        assert set(losses(run)) == set(range(9))


def test_a_full_disk_ends_both(tiny_model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    status, output = ended(
        start("arc-train", *words(tiny_model, run, steps=60), *added("FullDisk", step=30), cwd=tmp_path)
    )
    assert status != 0
    assert f"the last good one is {run}/checkpoints/step=20.ckpt" in output
    assert os.listdir(run / "checkpoints") == ["step=20.ckpt"]
