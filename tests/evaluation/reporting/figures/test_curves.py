"""Learning curves: one line for each training but for its seed, and nothing left out in silence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from arc_encoder.evaluation.reporting.figures import curves
from arc_encoder.evaluation.reporting.reading.material import Material


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The loss of each training by its path; no TensorBoard is asked."""
    losses: dict[str, float] = {}

    def read(place: Path) -> Mapping[str, curves.Curve]:
        found = [loss for name, loss in losses.items() if str(place).endswith(name)]
        return {"train/loss": [(0, found[0]), (10, found[0])]} if found else {}

    monkeypatch.setattr(curves, "curves_of", read)
    return losses


def made(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name / "tensorboard"
    folder.mkdir(parents=True)
    (folder / "events.out.tfevents.1").touch()
    return folder.parent


def drawn(tmp_path: Path) -> Any:
    found = curves.learning_curves(Material([tmp_path], []))
    assert found is not None
    return found.axes[0]


def test_seeds_of_a_variant_and_stage_are_one_line(tmp_path: Path, written: dict[str, float]) -> None:
    for seed in (0, 1):
        for variant in ("mean", "last"):
            for stage in ("pretrain", "finetune"):
                made(tmp_path, f"{variant}/seed_{seed}/{stage}")
                written[f"{variant}/seed_{seed}/{stage}"] = 1.0 + seed + (variant == "last")
    lines = {line.get_label(): list(line.get_ydata()) for line in drawn(tmp_path).lines}
    assert set(lines) == {f"{v}/{s} (mean of 2 seeds)" for v in ("mean", "last") for s in ("pretrain", "finetune")}
    assert lines["mean/pretrain (mean of 2 seeds)"] == [1.5, 1.5]
    assert lines["last/finetune (mean of 2 seeds)"] == [2.5, 2.5]


def test_a_training_has_the_path_of_the_variant_that_links_to_it(tmp_path: Path) -> None:
    training = made(tmp_path, "ablation/a_trainings/0123456789_seed_0")
    link = tmp_path / "ablation/causal/seed_0/pretrain"
    link.parent.mkdir(parents=True)
    link.symlink_to(training)
    assert curves.trainings([tmp_path]) == [link]


def test_what_is_left_out_is_said(tmp_path: Path, written: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "MOST", 3)
    for number in range(5):
        made(tmp_path, f"run_{number}")
        written[f"run_{number}"] = 1.0
    axis = drawn(tmp_path)
    assert len(axis.lines) == 3
    assert axis.get_title() == "the first 3 of 5 trainings; 2 are left out"


def test_relative_and_absolute_places_together(
    tmp_path: Path, written: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        made(tmp_path, name)
        written[name] = 1.0
    found = curves.learning_curves(Material([Path("one"), tmp_path / "two"], []))
    assert found is not None
    assert [line.get_label() for line in found.axes[0].lines] == ["one", "two"]
