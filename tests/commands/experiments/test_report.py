"""`arc-report`, as a user types it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from arc_encoder.commands.experiments import report
from tests.evaluation.reporting.conftest import Finished, part
from tests.tiny_runs import BIN, Command


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(report.main, monkeypatch, capsys, hydra=False)


@pytest.fixture
def logs(finished: Finished, tmp_path: Path) -> Path:
    scores = {part(): [100.0, 0.0, 100.0], part(factor=8): [0.0, 0.0, 100.0], part("open_book", None): [100.0] * 3}
    return finished("logs", scores)


def test_a_page(command: Command, logs: Path, tmp_path: Path) -> None:
    out = command(str(logs), f"output={tmp_path / 'page'}", "title=Mine")
    assert "66.7" in out
    assert (tmp_path / "page/report.html").read_text().count("<h1>Mine</h1>") == 1
    assert f"written: {tmp_path / 'page/report.html'}" in out


def test_a_reader_that_leaves_is_no_error(finished: Finished, tmp_path: Path) -> None:
    folder = finished("many", {part(): [0.0] * 3000})
    words = f"{BIN / 'arc-report'} examples {folder} limit=3000"
    found = subprocess.run(["bash", "-c", f"set -o pipefail; {words} | head -n 1"], capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("q0")


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


def test_two_systems_and_two_folders_compared(command: Command, logs: Path, finished: Finished) -> None:
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
    assert "metric=f1: the examples have numbers for exact_match" in fails(
        "examples", str(logs), "system=open_book", "metric=f1"
    )
    assert "limit=0" in fails("examples", str(logs), "limit=0")
    assert "order=up: choose worst, best, asked" in fails("examples", str(logs), "order=up")
    assert "compare what with what?" in fails("compare", str(logs), "system=arc")
    assert "page" not in [file.name for file in tmp_path.iterdir()]


def test_what_is_no_metric_or_no_folder_is_named(command: Command, logs: Path, tmp_path: Path) -> None:
    fails = command.fails
    for name in ("question", "answer", "id", "weights"):
        expected = f"metric={name}: the examples have numbers for exact_match"
        assert expected in fails("examples", str(logs), "system=open_book", f"metric={name}")
    message = fails("compare", str(logs), "system=arc", "against=open_book", "metric=answer")
    assert "the examples of arc ×4 toy_a have no metric 'answer'; they have: exact_match" in message
    file = tmp_path / "taken"
    file.write_text("a file")
    for output in (file, file / "below"):
        message = fails(str(logs), f"output={output}")
        assert f"{output} cannot be written" in message
        assert "give a folder that is new, or that you may write to" in message
    assert file.read_text() == "a file"
    (logs / "examples/toy_qa_open_book_toy_a_5shot_s0.jsonl").write_text("")
    assert "is broken: it has no line" in fails("examples", str(logs), "system=open_book")


@pytest.mark.parametrize("metric", ["loss", "answer_token_loss", "perplexity"])
def test_the_worst_is_the_highest_where_lower_is_better(
    command: Command,
    finished: Finished,
    metric: str,
) -> None:
    folder = str(finished("losses", {part(): [2.0, 9.0, 1.0]}, metric=metric))
    assert command("examples", folder, "limit=1").startswith(f"q1  {metric} 9.000")
    assert command("examples", folder, "limit=1", "order=best").startswith("q2")


def test_examples_without_a_value_are_not_the_worst(command: Command, finished: Finished) -> None:
    folder = finished("weighted", {part(): [0.0, 50.0, 100.0]}, details=lambda i: {"weights": {"exact_match": i}})
    out = command("examples", str(folder))
    assert [line.split()[0] for line in out.splitlines() if line.startswith("q")] == ["q1", "q2"]
    assert "q0" in command("examples", str(folder), "order=asked")
    nothing = {"f1": 0.0, "weights": {"f1": 0}}
    none = finished("none", {part(): [0.0], part("open_book", None): [1.0]}, details=lambda i: nothing)
    message = command.fails("examples", str(none), "system=arc", "metric=f1")
    assert "no example of arc has a value of f1" in message
    message = command.fails("compare", str(none), "system=arc", "against=open_book", "metric=f1")
    assert "no example of arc ×4 toy_a has a value of f1" in message


def study(finished: Finished, name: str, variants: dict[str, list[float]], **more: str) -> Path:
    """An ablation's folder with two seeds; each score is that of both examples, in turn by seed."""
    for variant, scores in variants.items():
        for seed, score in enumerate(scores):
            conditions = {"ablation": name, "variant": variant, "seed": seed}
            folder = finished(f"{name}/{variant}/seed_{seed}", {part(**more): [score, score]}, conditions=conditions)
    finished(
        f"{name}/reference",
        {part("open_book", None, **more): [100.0, 100.0]},
        conditions={"ablation": name, "variant": "reference"},
    )
    return folder.parent.parent


def cells(out: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines()[2:]]


def test_variants_are_compared_seed_by_seed(command: Command, finished: Finished) -> None:
    folder = study(finished, "causal", {"causal": [10.0, 20.0], "bidirectional": [40.0, 70.0]})
    out = command("compare", str(folder), "variant=causal", "against_variant=bidirectional")
    assert [cell.strip() for cell in out.splitlines()[0].split("|")[1:4]] == ["benchmark", "seed", "first"]
    assert [(row[1], row[2], row[3], row[-3]) for row in cells(out)] == [
        ("0", "causal arc ×4 toy_a", "bidirectional arc ×4 toy_a", "-30.0"),
        ("1", "causal arc ×4 toy_a", "bidirectional arc ×4 toy_a", "-50.0"),
    ]
    alone = command("compare", str(folder), "variant=causal", "against_variant=bidirectional", "seed=1")
    assert [row[-3] for row in cells(alone)] == ["-50.0"]
    text = command("compare", str(folder), "variant=causal", "against=open_book")
    assert [row[-3] for row in cells(text)] == ["-90.0", "-80.0"]
    message = command.fails("compare", str(folder), "against_variant=bidirectional")
    assert "against_variant=bidirectional: say which variant is compared with it, as `variant`" in message


def test_a_variant_of_another_system_is_a_partner_too(command: Command, finished: Finished) -> None:
    finished("logs/arc", {part(): [50.0]}, conditions={"ablation": "baselines", "variant": "arc", "seed": 0})
    folder = finished("logs/icae", {part("icae", None): [20.0]}, conditions={"variant": "icae", "seed": 0}).parent
    assert [row[-3] for row in cells(command("compare", str(folder), "variant=arc", "against_variant=icae"))] == [
        "30.0"
    ]


def test_two_folders_of_several_seeds_are_paired_by_seed(command: Command, finished: Finished) -> None:
    folder = study(finished, "causal", {"causal": [10.0, 20.0], "bidirectional": [40.0, 70.0]})
    out = command("compare", str(folder / "causal"), str(folder / "bidirectional"))
    assert [(row[1], row[-3]) for row in cells(out)] == [("0", "-30.0"), ("1", "-50.0")]
    missing = folder / "bidirectional/seed_0"
    out = command("compare", str(folder / "causal"), str(missing))
    assert [(row[1], row[-3]) for row in cells(out)] == [("0", "-30.0"), ("1 / 0", "-20.0")]
    lone = command("compare", str(folder / "causal"), str(missing), "seed=1")
    assert [(row[1], row[-3]) for row in cells(lone)] == [("1 / 0", "-20.0")]


def test_other_seeds_of_single_evaluations_are_told(command: Command, finished: Finished) -> None:
    first, second = finished("first", {part(seed=1): [10.0]}), finished("second", {part(seed=0): [40.0]})
    assert [row[1] for row in cells(command("compare", str(first), str(second)))] == ["1 / 0"]
    same = finished("third", {part(seed=1): [40.0]})
    assert "seed" not in command("compare", str(first), str(same)).splitlines()[0]


def test_two_factors_are_compared_and_nothing_with_itself(command: Command, logs: Path) -> None:
    (row,) = cells(command("compare", str(logs), "system=arc", "factor=4", "against_factor=8"))
    assert (row[1], row[2], row[-3]) == ("arc ×4 toy_a", "arc ×8 toy_a", "33.3")
    message = command.fails("compare", str(logs), "system=arc", "factor=4", "against=arc")
    assert "against=arc: arc ×4 toy_a on toy_qa would be compared with itself" in message
    assert "a number as `against_factor`" in command.fails("compare", str(logs), "system=arc")


def test_texts_with_unusual_line_ends_are_read(command: Command, finished: Finished) -> None:
    folder = finished("odd", {part(): [0.0, 50.0]}, details=lambda i: {"answer": f"one\u2028two\x85three {i}"})
    assert "one\u2028two\x85three 0" in command("examples", str(folder))
    command(str(folder), "output=page")


def test_examples_show_the_beginning_of_their_document(command: Command, finished: Finished) -> None:
    told = {"document": "one\n" * 200, "shown": "one"}
    out = command("examples", str(finished("long", {part(): [0.0]}, details=lambda i: told)))
    document, shown = out.splitlines()[1:3]
    assert document.startswith("  document:  one one one")
    assert document.endswith("…")
    assert len(document) == 300 + len("  document:  ")
    assert shown == "  shown:     one"


def test_examples_of_one_id_are_told_apart_by_their_order(command: Command, finished: Finished) -> None:
    logs = finished("logs", {part(): [100.0] * 3, part("open_book", None): [0.0] * 3})
    for file in (logs / "examples").iterdir():
        lines = file.read_text().replace('"id": "q1"', '"id": "q0"').replace('"id": "q2"', '"id": "q0"')
        file.write_text(lines)
    (row,) = cells(command("compare", str(logs), "system=arc", "against=open_book"))
    assert (row[4], row[-3]) == ("3", "100.0")
    told = command("examples", str(logs), "system=arc", "against=open_book", "order=asked")
    assert [line.split(":")[1].strip() for line in told.splitlines() if "open_book:" in line] == [
        "open_book 0", "open_book 1", "open_book 2",
    ]  # fmt: skip


@pytest.mark.parametrize("other", [{"version": 2}, {"protocol": "paper"}])
def test_folders_of_other_versions_are_not_compared(
    command: Command,
    logs: Path,
    finished: Finished,
    other: dict[str, str],
) -> None:
    changed = finished("changed", {part(**other): [0.0] * 3})
    assert "benchmark toy_qa was asked in different ways" in command.fails(
        "compare", str(logs), str(changed), "factor=4"
    )


def test_two_evaluations_of_one_seed_are_refused(command: Command, logs: Path, finished: Finished) -> None:
    again = finished("again", {part(): [0.0] * 3})
    message = command.fails(str(logs), str(again), "output=page")
    assert f"{logs} and {again} both have arc ×4 on toy_qa" in message


def test_help(command: Command) -> None:
    assert "arc-report compare" in command("--help")


def test_trainings_that_have_logged_no_loss_yet(command: Command, tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path / "sweep" / "0")) as writer:
        writer.add_scalar("hp_metric", -1.0, 0)
    told = command.fails(str(tmp_path / "sweep"), f"output={tmp_path / 'page'}")
    assert "no training here has logged a loss yet" in told
    assert not (tmp_path / "page").exists()
