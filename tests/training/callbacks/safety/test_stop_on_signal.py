"""StopOnSignal: the step ends, then the run, saved, with a status that says so."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from arc_encoder.core.errors import ConfigError, Interrupted
from arc_encoder.training.callbacks import StepCheckpoint, StopOnSignal
from arc_encoder.training.callbacks.safety.stop_on_signal import AGAIN
from tests.training.conftest import Fit, data_module


class Send(Callback):
    """Sends signals to this process in the middle of a hook."""

    def __init__(self, hook: str, *numbers: int, at: int = 2) -> None:
        self.numbers, self.at, self.calls = numbers, at, 0
        setattr(self, hook, self._send)

    def _send(self, *_: Any, **__: Any) -> None:
        self.calls += 1
        if self.calls == self.at + 1:
            for number in self.numbers:
                os.kill(os.getpid(), number)


def steps(folder: Path) -> list[int]:
    return sorted(torch.load(file, weights_only=True)["global_step"] for file in folder.glob("*.ckpt"))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1"])
def test_the_step_ends_and_is_saved(fit: Fit, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.Signals[name])
    with pytest.raises(Interrupted, match=f"stopped by {name} after optimizer step 3") as caught:
        fit(
            Send("on_before_backward", signal.Signals[name]),
            StopOnSignal(),
            StepCheckpoint(str(tmp_path), every_n_train_steps=100),
            steps=9,
            enable_checkpointing=True,
        )
    assert caught.value.status == AGAIN == os.EX_TEMPFAIL
    assert steps(tmp_path) == [3]
    assert signal.getsignal(signal.Signals[name]) == before
    assert f"{name}: stopping after this optimizer step" in capsys.readouterr().err


def test_accumulated_batches_are_finished_first(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="after optimizer step 2"):
        fit(
            Send("on_before_backward", signal.SIGTERM, at=2),
            StopOnSignal(),
            StepCheckpoint(str(tmp_path), every_n_train_steps=100),
            steps=9,
            accumulate_grad_batches=2,
            enable_checkpointing=True,
        )
    assert steps(tmp_path) == [2]


def test_a_validation_is_not_waited_for(fit: Fit, tmp_path: Path) -> None:
    data = data_module(validation={"again": data_module().tasks["reconstruction"]}, validation_batches=4)
    send = Send("on_validation_batch_start", signal.SIGTERM, at=1)
    with pytest.raises(Interrupted, match="after optimizer step 2"):
        fit(
            send,
            StopOnSignal(),
            StepCheckpoint(str(tmp_path), every_n_train_steps=100),
            steps=8,
            val_check_interval=2,
            data=data,
            enable_checkpointing=True,
        )
    assert send.calls == 2
    assert steps(tmp_path) == [2]


def test_the_second_ctrl_c_stops_at_once_without_saving(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        fit(
            Send("on_before_backward", signal.SIGINT, signal.SIGINT),
            StopOnSignal(),
            StepCheckpoint(str(tmp_path), every_n_train_steps=100),
            steps=9,
            enable_checkpointing=True,
        )
    assert steps(tmp_path) == []


def test_a_second_term_does_not_break_the_save(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fit(
            Send("on_before_backward", signal.SIGTERM),
            Send("on_exception", signal.SIGTERM, at=0),
            StopOnSignal(),
            StepCheckpoint(str(tmp_path), every_n_train_steps=100),
            steps=9,
            enable_checkpointing=True,
        )
    assert steps(tmp_path) == [3]


def test_a_process_that_prepares_batches_leaves_it_to_its_parent() -> None:
    callback = StopOnSignal()
    callback._process = -1
    before = signal.getsignal(signal.SIGUSR1)
    try:
        callback._note(signal.SIGUSR1, None)
        assert callback.received == 0
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL  # the second one ends it
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_what_is_no_signal_is_refused() -> None:
    with pytest.raises(ConfigError, match="SIGBYE is no signal"):
        StopOnSignal(["SIGBYE"])
