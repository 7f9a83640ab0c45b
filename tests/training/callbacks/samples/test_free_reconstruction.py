"""FreeReconstruction: character errors of what the decoder writes from the vectors alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger

from arc_encoder.core.errors import ConfigError
from arc_encoder.data.tasks import Continuation, Reconstruction
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.training.callbacks import FreeReconstruction
from tests.tiny_runs import table
from tests.training.conftest import Fit, Texts, data_module

HELD_OUT = Texts(["abcd", "wxyz"])


def test_errors_are_counted_in_what_is_written(fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def generate(self: ArcForCausalLM, batch: Any, *, max_new_tokens: int) -> list[str]:
        asked.append((batch.target_mask.sum().item(), max_new_tokens, batch.task_token))
        return ["abxd", ""]  # one of four letters wrong, and four missing

    monkeypatch.setattr(ArcForCausalLM, "generate", generate)
    tasks = {"held_out": Reconstruction(HELD_OUT), "going_on": Continuation(HELD_OUT, part=2)}
    logger = CSVLogger(tmp_path, name="", version="log")
    fit(FreeReconstruction(count=2), steps=2, data=data_module(validation=tasks), logger=logger, val_check_interval=2)
    found = [row for row in table(tmp_path / "log" / "metrics.csv") if row["val/character_error_rate/decoder/held_out"]]
    assert [float(row["val/character_error_rate/decoder/held_out"]) for row in found] == [5 / 8]
    assert asked == [(0, 4, "reconstruct")]  # nothing of the text is shown, and no more is written than it has
    assert "val/character_error_rate/decoder/going_on" not in found[0]


def test_a_count_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="count=0"):
        FreeReconstruction(count=0)
