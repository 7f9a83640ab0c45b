"""`arc-report`, as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from arc_encoder.cli import report
from tests.reporting.conftest import Finished, finished, part  # noqa: F401
from tests.tiny_runs import Command


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(report.main, monkeypatch, capsys, hydra=False)


@pytest.fixture
def logs(finished: Finished, tmp_path: Path) -> Path:  # noqa: F811
    scores = {part(): [100.0, 0.0, 100.0], part(factor=8): [0.0, 0.0, 100.0], part("open_book", None): [100.0] * 3}
    return finished("logs", scores)


def test_a_page(command: Command, logs: Path, tmp_path: Path) -> None:
    out = command(str(logs), f"output={tmp_path / 'page'}", "title=Mine")
    assert "66.7" in out
    assert (tmp_path / "page/report.html").read_text().count("<h1>Mine</h1>") == 1
    assert f"written: {tmp_path / 'page/report.html'}" in out


def test_single_examples(command: Command, logs: Path) -> None:
    out = command("examples", str(logs), "system=arc", "factor=4", "limit=2", "against=open_book")
    first, second = out.strip().split("\n\n")
    assert first.splitlines() == [
        "q1  exact_match 0.0",
        "  question:  Q1?",
        "  answer:    arc 1",
        "  open_book: open_book 1",
        "  accepted:  a1",
    ]
    assert second.startswith("q0")
    chosen = ["examples", str(logs), "system=arc", "factor=8", "limit=1"]
    assert command(*chosen, "order=best").startswith("q2")
    assert command(*chosen, "order=asked").startswith("q0")


def test_two_systems_and_two_folders_compared(command: Command, logs: Path, finished: Finished) -> None:  # noqa: F811
    out = command("compare", str(logs), "system=arc", "against=open_book")
    assert "arc ×4 toy_a" in out
    assert "-33.3" in out
    other = finished("other", {part(): [0.0, 0.0, 0.0]})
    assert "66.7" in command("compare", str(logs), str(other), "system=arc", "factor=4")


def test_mistakes_are_named(command: Command, logs: Path, tmp_path: Path) -> None:
    fails = command.fails
    assert "give at least one folder" in fails("output=x")
    assert "say where to write: output=<folder>" in fails(str(logs))
    assert "outptu=x: no such setting (did you mean 'output'?)" in fails(str(logs), "outptu=x")
    assert "nowhere is not there" in fails(str(tmp_path / "nowhere"), "output=x")
    assert "2 parts fit; choose one of them with factor=4|8" in fails("examples", str(logs), "system=arc")
    assert "no part of these runs has system=rac; there are system: arc, open_book" in fails(
        "examples", str(logs), "system=rac"
    )
    assert "metric=f1: the examples have id, exact_match" in fails(
        "examples", str(logs), "system=open_book", "metric=f1"
    )
    assert "limit=0" in fails("examples", str(logs), "limit=0")
    assert "order=up: choose worst, best, asked" in fails("examples", str(logs), "order=up")
    assert "compare what with what?" in fails("compare", str(logs), "system=arc")
    assert "page" not in [file.name for file in tmp_path.iterdir()]


def test_help(command: Command) -> None:
    assert "arc-report compare" in command("--help")
