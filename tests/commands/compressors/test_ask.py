"""`arc-ask`: the same question, read in several ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from arc_encoder.commands.compressors import ask, compress
from tests.commands.conftest import Make
from tests.tiny_runs import Command

TEXT = "a document of some length, " * 4


@pytest.fixture
def run(make: Make) -> Command:
    return make(ask.main)


@pytest.fixture
def words(trained: Path, tiny_model: Path, tmp_path: Path) -> list[str]:
    (tmp_path / "doc.txt").write_text(TEXT)
    return [
        f"checkpoint={trained}",
        "decoder=huggingface",
        f"decoders.huggingface.path={tiny_model}",
        "decoders.huggingface.dtype=float32",
        "document=doc.txt",
        "question='what is it?'",
        "factors=[2,4]",
        "max_new_tokens=3",
        "threads=1",
        "device=cpu",
    ]


def cells(printed: str) -> dict[str, list[str]]:
    lines = [line for line in printed.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in rows[1:]}


def test_a_line_for_each_way_of_reading(run: Command, words: list[str]) -> None:
    found = cells(run(*words))
    assert list(found) == [
        "text", "vectors ×2", "vectors ×4", "truncated as ×2", "truncated as ×4", "nothing",
    ]  # fmt: skip
    positions = {way: int(row[0]) for way, row in found.items()}
    tokens = len(TEXT)  # a token a byte
    assert positions["text"] == tokens
    assert positions["vectors ×4"] == -(-tokens // 4) + 1  # and the task token
    assert positions["truncated as ×4"] <= positions["vectors ×4"]
    assert positions["nothing"] == 0
    assert int(found["text"][1]) == len(TEXT)
    assert int(found["vectors ×2"][1]) == 2 * 32 * -(-tokens // 2)  # width 32, two bytes a number
    assert all(float(row[2]) >= 0 for row in found.values())


def test_a_document_beyond_the_window(run: Command, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "doc.txt").write_text(TEXT * 4)
    found = cells(run(*words, "decoders.huggingface.window=300"))
    assert found["text"][3] == "(longer than the decoder's window)"
    assert found["vectors ×4"][2] != ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("question=''", "the question is empty"),
        ("question=null", "question is missing: arc-ask checkpoint="),
        ("document=nowhere.txt", "the document nowhere.txt cannot be read as UTF-8 text"),
        ("precision=8", "precision=8 is unknown"),
        ("colour=red", "colour"),
    ],
)
def test_refusals(run: Command, words: list[str], change: str, message: str) -> None:
    name = change.split("=")[0]
    assert message in run.fails(*[word for word in words if not word.startswith(f"{name}=")], change)


def test_an_empty_document(run: Command, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "doc.txt").write_text(" \n")
    assert "the document is empty" in run.fails(*words)


def test_the_best_documents_of_a_store_answer(
    run: Command, make: Make, words: list[str], trained: Path, tmp_path: Path
) -> None:
    for name, text in {"fruit": "apples and pears", "tools": "hammers and nails", "more": "an apple a day"}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    make(compress.main)(
        f"checkpoint={trained}", "input='*.txt'", "output=store", "keep_text=true", "codec=float32", "device=cpu"
    )
    asked = [word for word in words if not word.startswith(("document", "question", "factors"))]
    printed = run(*asked, "store=store", "question='who eats apples?'", "top=2")
    lines = printed.strip().splitlines()
    assert lines[0] == "who eats apples?"
    assert {line.split(" ")[1] for line in lines if line.startswith("[")} == {"fruit.txt", "more.txt"}
    assert "tools.txt" not in printed
    assert "no document of store has a word in common" in run.fails(*asked, "store=store", "question=zebras")
    assert "document and store were both given" in run.fails(*words, "store=store")
    assert "question is missing" in run.fails(*asked, "store=store")
