"""Training and evaluation kept apart: shared words, and documents held out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.tools.preparation.conversion import LeftOut
from arc_encoder.tools.preparation.conversions.texts import PlainText, pieces
from arc_encoder.tools.preparation.separation import Separation

SENTENCE = "one two three four five six seven eight nine ten"


def written(path: Path, *records: object) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def test_texts_that_share_words_in_a_row_are_left_out(tmp_path: Path) -> None:
    known = written(tmp_path / "dev.jsonl", {"passages": ["Zero. " + SENTENCE], "question": "?"}, {"text": "short"})
    apart = Separation([known], words=5)
    for text in (SENTENCE, "x y FOUR, five; six? (seven) - eight z"):
        assert apart.check({"text": text}) == LeftOut(f"shares 5 words in a row with {known}")
        assert isinstance(apart.check({"passages": ["nothing", text], "question": "q"}), LeftOut)
    for text in ("x four five six seven y eight", "one two three four", ""):
        assert apart.check({"text": text}) is None
    assert apart.check({"question": SENTENCE}) is None, "a question alone is no text"


def test_a_document_is_on_one_side_with_all_that_belongs_to_it() -> None:
    apart = Separation(held_out=0.25)
    sides = [apart.is_held_out({"text": f"text {number}"}) for number in range(2000)]
    assert 0.2 < sum(sides) / len(sides) < 0.3
    for number in range(50):
        passage = f"text {number}"
        answers = {apart.is_held_out({"passages": [passage], "question": f"q{each}"}) for each in range(5)}
        assert answers == {sides[number]}
        piece = {apart.is_held_out({"text": f"piece {each}", "document": passage}) for each in range(5)}
        assert piece == {sides[number]}
    assert not any(Separation().is_held_out({"text": f"text {number}"}) for number in range(100))


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda folder: Separation(words=0), "exclude_words=0"),
        (lambda folder: Separation(held_out=1.0), "held_out=1.0: expected a share"),
        (lambda folder: Separation([str(folder / "none.jsonl")]), "no file matches"),
        (lambda folder: Separation([written(folder / "q.jsonl", {"question": SENTENCE})], 3), "has no text of 3 words"),
        (lambda folder: PlainText(piece_words=0), "piece_words=0"),
    ],
)
def test_mistakes(made, told: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((ConfigError, DataError), match=told):
        made(tmp_path)


def test_pieces_are_cut_at_line_breaks() -> None:
    lines = [" ".join([f"w{number}"] * 4) for number in range(6)]
    assert pieces("\n".join(lines), 8) == ["\n".join(lines[first : first + 2]) for first in (0, 2, 4)]
    assert pieces("\n".join([*lines[:5], "end"]), 12) == ["\n".join(lines[:3]), "\n".join([*lines[3:5], "end"])]
    assert pieces("\n".join([*lines[:4], "end"]), 8) == ["\n".join(lines[:2]), "\n".join([*lines[2:4], "end"])]
    assert pieces("a " * 50, 8) == [("a " * 50).strip()], "a line is not cut"


def test_the_pieces_of_a_text_name_it() -> None:
    text = "\n".join([SENTENCE] * 4)
    found = list(PlainText(piece_words=10).records({"text": text}))
    assert [each["text"] for each in found if isinstance(each, dict)] == [SENTENCE] * 4
    assert len({each["document"] for each in found if isinstance(each, dict)}) == 1
    assert list(PlainText().records({"text": text})) == [{"text": text}]
