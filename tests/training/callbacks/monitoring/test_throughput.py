"""Throughput: tokens per second, counted right."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from arc_encoder.training.callbacks import Throughput
from arc_encoder.training.callbacks.monitoring import throughput
from tests.tiny_models import make_batch, numbers
from tests.tiny_runs import table
from tests.training.conftest import Fit

NAMES = ("throughput/tokens_per_second", "throughput/encoder_tokens_per_second", "throughput/peak_memory_gib")


class Clock:
    """Time that passes when a test says so."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(throughput, "time", made)
    return made


class Watched:
    """A Throughput that is notified of batches by hand, and what it logged."""

    def __init__(self, every: int) -> None:
        self.callback, self.found = Throughput(every), []
        self.module: Any = SimpleNamespace(log=self._log, device=torch.device("cpu"))
        self.callback.on_train_start(None, self.module)  # type: ignore[arg-type]

    def _log(self, name: str, value: float, **_: Any) -> None:
        self.found.append((name, value))

    def batch(self, encoder: int, targets: int) -> None:
        """One sample with `encoder` context tokens, and BOS and `targets` tokens of text."""
        segments = [("plain", [1]), ("context", list(numbers(encoder))), ("target", list(numbers(targets)))]
        self.callback.on_train_batch_end(None, self.module, None, make_batch([segments]), 0)  # type: ignore[arg-type]


def test_tokens_are_counted_over_the_batches_between_two_figures(clock: Clock) -> None:
    clock.now = 100.0
    watched = Watched(2)
    clock.now = 103.0
    watched.batch(5, 3)
    assert watched.found == []
    clock.now = 104.0
    watched.batch(7, 4)
    assert watched.found[:2] == [(NAMES[0], (5 + 7 + 4 + 5) / 4), (NAMES[1], (5 + 7) / 4)]
    assert watched.found[2][0] == NAMES[2]
    clock.now = 106.0
    watched.batch(9, 2)
    clock.now = 109.0
    watched.batch(11, 6)
    assert watched.found[3:5] == [(NAMES[0], (9 + 11 + 3 + 7) / 5), (NAMES[1], (9 + 11) / 5)]


def test_time_spent_in_validation_does_not_count(clock: Clock) -> None:
    watched = Watched(1)
    clock.now = 500.0
    watched.callback.on_validation_end(None, watched.module)  # type: ignore[arg-type]
    clock.now = 502.0
    watched.batch(5, 2)
    assert watched.found[0] == (NAMES[0], (5 + 3) / 2)


def test_figures_come_every_so_many_batches_and_memory_with_them(fit: Fit, tmp_path: Path) -> None:
    trainer, _ = fit(Throughput(3), steps=7, logger=CSVLogger(tmp_path))
    rows = [row for row in table(trainer.logger.experiment.metrics_file_path) if row.get(NAMES[0])]
    assert min(int(row["step"]) for row in rows) == 2  # after the third batch
    assert len({row[NAMES[0]] for row in rows}) == 2  # batches 3 and 6; the last one repeats until the next
    for row in rows:
        assert all(float(row[name]) > 0 for name in NAMES)
        assert float(row[NAMES[1]]) < float(row[NAMES[0]])
        assert 0.1 < float(row[NAMES[2]]) < 64
