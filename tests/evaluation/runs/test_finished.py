"""Parts that are finished, and parts that another process works on."""

from __future__ import annotations

from pathlib import Path

from arc_encoder.evaluation.benchmarks import ExampleResult
from arc_encoder.evaluation.runs.folder import FinishedParts
from arc_encoder.evaluation.runs.results import Part, rows_of

PART = Part("arc", "d", 4, "bench", 1, "strict", 5, 0)
ROWS = rows_of([ExampleResult("a", {"f1": 50.0}, 3)], PART)


def test_a_part_comes_back_as_it_was_written(tmp_path: Path) -> None:
    parts = FinishedParts(tmp_path, lambda part: "settings")
    assert parts.read(PART) is None
    parts.write(PART, ROWS, [])
    assert parts.read(PART) == (ROWS, [])
    assert FinishedParts(tmp_path, lambda part: "other settings").read(PART) is None


def test_a_spoilt_file_is_as_good_as_none(tmp_path: Path) -> None:
    parts = FinishedParts(tmp_path, lambda part: "settings")
    parts.write(PART, ROWS, [])
    file = next(tmp_path.glob("*.json"))
    for corrupted in (
        "",
        "[]",
        '{"fingerprint": "settings"}',
        file.read_text()[:-20],
        '{"fingerprint": "settings", "rows": [{"x": 1}], "costs": []}',
    ):
        file.write_text(corrupted)
        assert parts.read(PART) is None


def test_one_process_holds_a_part_at_a_time(tmp_path: Path) -> None:
    parts = [FinishedParts(tmp_path, lambda part: "") for _ in range(2)]
    with parts[0].claim(PART, wait=False) as first, parts[1].claim(PART, wait=False) as second:
        assert (first, second) == (True, False)
    with parts[1].claim(PART, wait=False) as second:
        assert second


def test_what_changes_while_a_part_is_made_does_not_count_for_it(tmp_path: Path) -> None:
    weights = ["old"]
    parts = FinishedParts(tmp_path, lambda part: weights[0])
    assert parts.read(PART) is None
    weights[0] = "new"  # while the part is made
    parts.write(PART, ROWS, [])
    assert parts.read(PART) is None
    weights[0] = "old"
    assert parts.read(PART) == (ROWS, [])
