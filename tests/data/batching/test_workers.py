"""Processes that prepare batches outlive the signals that are meant for the training process."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from torch.utils.data import DataLoader, Dataset

from arc_encoder.core.errors import Interrupted
from arc_encoder.data.batching.datamodule import init_worker
from arc_encoder.training.callbacks import StepCheckpoint, StopOnSignal
from tests.training.callbacks.safety.test_stop_on_signal import Send, steps
from tests.training.conftest import Fit, data_module
from tests.training.conftest import fit as fit


class Processes(Dataset[int]):
    """Its records are the ids of the processes that read them."""

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, place: int) -> int:
        time.sleep(0.01)
        return os.getpid()


def gone(process: int) -> bool:
    for _ in range(500):
        state = Path(f"/proc/{process}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.01)
    return False


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes in /proc")
def test_a_worker_passes_signals_of_the_run_and_a_second_term_ends_it() -> None:
    records = iter(DataLoader(Processes(), batch_size=None, num_workers=1, worker_init_fn=init_worker))
    process = int(next(records))
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGUSR1, signal.SIGTERM):
        os.kill(process, number)
        assert [int(next(records)) for _ in range(4)] == [process] * 4
    os.kill(process, signal.SIGTERM)
    with pytest.raises(RuntimeError, match=r"DataLoader worker .* (killed|exited)"):
        for _ in records:
            pass
    assert gone(process)


class SendToAll(Send):
    """Sends signals to this process and to those that it started, as a terminal does."""

    def _send(self, *rest: object, **options: object) -> None:
        if self.calls == self.at:
            for child in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
                os.kill(int(child), self.numbers[0])
            time.sleep(0.5)  # what dies of it has died
        super()._send(*rest, **options)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_to_the_whole_run_ends_it_saved(fit: Fit, tmp_path: Path, name: str) -> None:
    with pytest.raises(Interrupted, match=f"stopped by {name} after optimizer step 3"):
        fit(
            SendToAll("on_before_backward", signal.Signals[name]),
            StopOnSignal(),
            StepCheckpoint(str(tmp_path), every_n_train_steps=100),
            steps=9,
            data=data_module(workers=1),
            enable_checkpointing=True,
        )
    assert steps(tmp_path) == [3]
