"""`arc-bench all` on tiny shapes: figures beside limits, a file, and what became worse since another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from arc_encoder.commands.measurements import bench_all
from arc_encoder.core.errors import ConfigError
from arc_encoder.tools.bench.suite.figure import Figure
from arc_encoder.tools.bench.suite.run import comparison, figures_table
from tests.commands.conftest import Make
from tests.tiny_runs import Command

SHAPE = "shape={_target_: arc_encoder.tools.bench.suite.models.Shape, width: 16, layers: 3, heads: 2, vocabulary: 32}"
TINY = [
    "parts.attention.rows=2", "parts.attention.keys=8", "parts.attention.tokens=8", "parts.attention.rounds=1",
    f"parts.encoder.{SHAPE}", "parts.encoder.contexts=2", "parts.encoder.tokens=16", "parts.encoder.short=4",
    "parts.encoder.chunks=[2,4]", "parts.encoder.rounds=1",
    f"parts.training_step.{SHAPE}", "parts.training_step.samples=2", "parts.training_step.tokens=16",
    "parts.training_step.rounds=1",
    f"parts.generation.{SHAPE}", "parts.generation.prompts=2", "parts.generation.shared=16", "parts.generation.own=4",
    "parts.generation.new_tokens=2", "parts.generation.rounds=1",
    f"parts.first_token.{SHAPE}", "parts.first_token.encoder_layers=2", "parts.first_token.documents=[64]",
    "parts.first_token.chunk=32", "parts.first_token.rounds=1",
    "parts.loop.steps=4", "parts.loop.warmup=1",
    "parts.starting.rounds=1", "parts.starting.commands=false",
]  # fmt: skip


@pytest.fixture
def run(make: Make) -> Command:
    return make(bench_all.main)


def test_figures_stand_beside_limits(run: Command, tmp_path: Path) -> None:
    parts = "only=[attention,encoder,generation,first_token]"
    printed = run(parts, "output=bench.json", *TINY)
    told = json.loads((tmp_path / "bench.json").read_text())
    assert list(told["figures"]) == ["attention", "encoder", "generation", "first_token"]
    figures = {each["name"]: each for own in told["figures"].values() for each in own}
    assert all(each["value"] > 0 for name, each in figures.items() if "memory" not in name and "rows" not in name)
    assert {
        "encoder, float32",
        "encoder, bfloat16",
        "4 chunks ÷ 2",
        "first token, 64 tokens, ×4, stored: times as fast as text",
    } <= figures.keys()
    assert figures["4 chunks ÷ 2"]["limit"] == pytest.approx(2.1)
    stored = figures["first token, 64 tokens, ×8, stored: times as fast as text"]["limit"]
    assert (
        stored > figures["first token, 64 tokens, ×8, cold: times as fast as text"]["limit"] > 0
    )  # encoding is work too
    assert "encoder, bfloat16" in printed


@pytest.mark.slow
def test_every_part_runs(run: Command, tmp_path: Path) -> None:
    run("only=[training_step,loop,starting]", "output=bench.json", *TINY)
    told = json.loads((tmp_path / "bench.json").read_text())["figures"]
    assert list(told) == ["training_step", "loop", "starting"]
    (outside,) = told["loop"]
    assert 0 < outside["value"] < 100
    assert {"import arc_encoder", "arc-train --help"} <= {each["name"] for each in told["starting"]}


def figures(**values: float) -> dict[str, list[Figure]]:
    return {
        "part": [Figure(name, value, "ms", more_is_better=name.startswith("more")) for name, value in values.items()]
    }


def test_what_became_worse_is_named() -> None:
    old = figures(more=100.0, less=100.0, more_alike=100.0, only_old=1.0)
    shown, worse = comparison(old, figures(more=80.0, less=80.0, more_alike=95.0, only_new=1.0))
    assert worse == ["more"]
    assert "only" not in shown
    assert comparison(old, figures(less=120.0))[1] == ["less"]
    with pytest.raises(ConfigError, match="expected a ratio from 1 on"):
        comparison(old, old, 0.5)


def test_a_limit_that_is_not_kept_is_marked() -> None:
    kept, missed = (
        Figure("a", 2.0, "×", 1.8, "promised"),
        Figure("b", 1.5, "GiB", 1.4, "promised", more_is_better=False),
    )
    table = figures_table({"part": [kept, missed]})
    rows = {line.split("|")[1].strip(): line for line in table.splitlines()[2:]}
    assert "yes" in rows["a"]
    assert "≤ 1.4 (promised)" in rows["b"]
    assert "**no**" in rows["b"]


def test_comparing_fails_when_something_became_worse(run: Command, tmp_path: Path) -> None:
    words: list[Any] = ["only=[attention]", *TINY]
    run(*words, "output=old.json")
    told = json.loads((tmp_path / "old.json").read_text())
    for each in told["figures"]["attention"]:
        each["value"] *= 1e-6 if each["unit"] == "ms" else 1
    (tmp_path / "old.json").write_text(json.dumps(told))
    code, printed, _ = run.outcome(*words, "compare=old.json", "tolerance=1000")
    assert code == 1
    assert "worse than in old.json: attention, a step of generation, float32: ms" in printed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["only=[encodr]"], "only=['encodr']: there is no such measurement; choose among attention, encoder"),
        (["compare=nowhere.json"], "nowhere.json holds no figures of an earlier run"),
    ],
)
def test_bad_input(run: Command, words: list[str], told: str) -> None:
    assert told in run.fails(*words)
