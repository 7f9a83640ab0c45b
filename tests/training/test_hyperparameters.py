"""What TensorBoard's HParams page shows of a run."""

from __future__ import annotations

import math
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from arc_encoder.training.hyperparameters import flatten
from tests.commands.conftest import tiny_model as tiny_model  # the fixture
from tests.tiny_runs import model_overrides, run_train, short_overrides


def test_classes_are_told_by_their_names() -> None:
    node = {"_target_": "a.b.Mean", "_partial_": True, "factor": 4, "more": {"_target_": "c.D", "x": [1]}, "none": None}
    assert flatten("model.pooling", node) == {
        "model.pooling": "Mean",
        "model.pooling.factor": 4,
        "model.pooling.more": "D",
        "model.pooling.more.x": "[1]",
        "model.pooling.none": "None",
    }


def test_a_run_that_was_not_validated_yet_is_not_the_best_of_all(tiny_model: Path, tmp_path: Path) -> None:
    run_train(tmp_path / "run", [*model_overrides(tiny_model), *short_overrides(steps=2), "logger=tensorboard"])
    values = []
    for file in sorted((tmp_path / "run" / "tensorboard").rglob("events*")):
        events = EventAccumulator(str(file))
        events.Reload()
        values += [
            event.value for event in (events.Scalars("hp/loss") if "hp/loss" in events.Tags()["scalars"] else [])
        ]
    before, after = values
    assert math.isnan(before)
    assert after > 0
