"""`arc-quickstart`: both trainings are composed and checked before the first begins."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from arc_encoder.commands.experiments import quickstart
from arc_encoder.tools.quickstart import factors_of, phases
from tests.commands.conftest import Make
from tests.tiny_runs import Command, composed, no_hydra


@pytest.fixture
def run(make: Make) -> Command:
    return make(quickstart.main)


@pytest.mark.parametrize(("factor", "expected"), [(4, {4: 4, 8: 1}), (8, {8: 4, 16: 1})])
def test_factors_and_lengths_reach_the_trainings(factor: int, expected: dict[int, int], tmp_path: Path) -> None:
    config = composed([f"factor={factor}", "pretrain_steps=30", "paths.run=.", "seed=3"], "quickstart")
    with no_hydra():
        first, second = phases(config, tmp_path)
    assert (first.trainer.max_steps, first.model.pooling.factor, first.data.factors) == (30, factor, None)
    assert Counter(second.data.factors) == expected
    assert second.model.init_from == str(tmp_path / "pretrain" / "compressor")
    assert (first.seed, second.seed, second.data.seed) == (3, 3, 3)
    assert factors_of(config) == list(expected)


def test_mistakes_of_either_training_are_told_before_the_first(run: Command, tmp_path: Path) -> None:
    assert "the training toy/pretrain cannot be composed" in run.fails('overrides=["data.tasks.summary.share=1"]')
    assert "data.tasks.qa.shots='many'" in run.fails('finetune_overrides=["data.tasks.qa.shots=many"]')
    assert "data.tasks.continuation.part='long'" in run.fails(
        'pretrain_overrides=["data.tasks.continuation.part=long"]'
    )
    assert "optim.encoder_lr=-1" in run.fails('overrides=["optim.encoder_lr=-1"]')
    assert "'model.pooling.factor'" in run.fails('overrides=["model/pooling=memory_tokens"]')
    assert "factor=0: expected a whole number from 1 on" in run.fails("factor=0")
    assert not list(tmp_path.glob("logs/quickstart/*/pretrain"))


def test_another_decoder_is_chosen_by_its_name(run: Command) -> None:
    assert "cannot be composed with decoder_name=toy_none: " in run.fails("decoder_name=toy_none")
    assert "chosen with decoder_name=toy_b" in run.fails("decoder=toy_b")


def test_a_group_of_ones_own_reaches_the_trainings(run: Command, tmp_path: Path) -> None:
    own = tmp_path / "mine" / "model" / "pooling"
    own.mkdir(parents=True)
    (own / "short.yaml").write_text(
        "_target_: arc_encoder.model.encoder.pooling.MeanPooling\nfactor: 4\nwhere: nowhere\n"
    )
    errors = run.fails("--config-dir", str(tmp_path / "mine"), 'overrides=["model/pooling=short"]')
    assert "model.pooling.where='nowhere'" in errors


@pytest.mark.slow
def test_a_short_quickstart(run: Command, tmp_path: Path) -> None:
    printed = run("pretrain_steps=2", "finetune_steps=2", "limit=3", "batch_size=2", "factor=2", "threads=1")
    latest = tmp_path / "logs" / "quickstart" / "latest"
    rows = json.loads((latest / "results.json").read_text())["rows"]
    assert {(row["system"], row["pooling_factor"]) for row in rows if row["benchmark"] == "toy_qa"} == {
        ("closed_book", None),
        ("open_book", None),
        *((system, factor) for system in ("truncate", "arc") for factor in (2, 4)),
    }
    assert "survives compression at factor 2" in printed
    assert {"report.md", "results.json", "scores.png"} <= {path.name for path in latest.iterdir()}
