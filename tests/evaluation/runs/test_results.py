"""Rows, files, and the surviving share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.evaluation.benchmarks import ExampleResult, QuestionAnswering
from arc_encoder.evaluation.runs.results import (
    Part,
    Row,
    rows_of,
    surviving_share,
    write_examples,
    write_json,
    write_results,
)
from arc_encoder.evaluation.runs.runner import run_parts
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import Arc, ClosedBook, OpenBook, System, Truncate
from tests.evaluation.conftest import Questions

FIELDS = {
    "system",
    "decoder",
    "pooling_factor",
    "benchmark",
    "version",
    "protocol",
    "shots",
    "seed",
    "metric",
    "value",
    "ci_low",
    "ci_high",
    "examples",
    "document_positions",
    "decoder_modified",
    "shared_encoder",
    "asked_from",
    "articles",
}


def row(system: str, value: float, factor: int | None = None, metric: str = "loss", decoder: str = "d") -> Row:
    return Row(system, decoder, factor, "bench", 1, "strict", 5, 0, metric, value, value, value, 10, 1.0)


def test_rows_hold_mean_interval_and_positions() -> None:
    results = [
        ExampleResult("a", {"f1": 100.0, "loss": 1.0}, 4, {"loss": 3.0}),
        ExampleResult("b", {"f1": 0.0, "loss": 2.0}, 8, {"loss": 1.0}),
    ]
    rows = rows_of(results, Part("arc", "d", 4, "bench", 3, "strict", 5, 0))
    assert [(r.metric, r.value) for r in rows] == [("f1", 50.0), ("loss", pytest.approx(5 / 4))]
    for each in rows:
        assert (each.system, each.decoder, each.pooling_factor, each.benchmark, each.version) == (
            "arc",
            "d",
            4,
            "bench",
            3,
        )
        assert (each.examples, each.document_positions) == (2, 6.0)
        assert each.ci_low <= each.value <= each.ci_high
    assert (rows[0].ci_low, rows[0].ci_high) == (0.0, 100.0)


def test_the_surviving_share_is_the_kept_part_of_the_context_s_benefit() -> None:
    rows = [row("closed_book", 5.0), row("open_book", 1.0), row("arc", 2.0, 4), row("arc", 4.0, 8)]
    assert surviving_share(rows, 4) == pytest.approx((5 - 2) / (5 - 1))
    assert surviving_share(rows, 8) == pytest.approx((5 - 4) / (5 - 1))
    assert surviving_share(rows, 2) is None
    assert surviving_share(rows[1:], 4) is None
    assert surviving_share([row("closed_book", 1.0), row("open_book", 1.0), row("arc", 1.0, 4)], 4) is None
    noise = [row("arc", 99.0, 4, metric="f1"), row("closed_book", 0.0, metric="f1"), row("truncate", 3.0, 4)]
    assert surviving_share([*rows, *noise], 4) == pytest.approx(0.75)


def test_the_surviving_share_of_one_of_several_decoders() -> None:
    rows = [row("closed_book", 5.0), row("open_book", 1.0), row("arc", 2.0, 4)]
    other = [row("closed_book", 9.0, decoder="e"), row("open_book", 1.0, decoder="e"), row("arc", 7.0, 4, decoder="e")]
    assert surviving_share([*rows, *other], 4, "d") == pytest.approx(0.75)
    assert surviving_share([*rows, *other], 4, "e") == pytest.approx(0.25)


def test_results_json_holds_every_field(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.json"
    write_results(path, [row("arc", 2.0, 4), row("open_book", 1.0)], extra={"seed": 3})
    found = json.loads(path.read_text())
    assert found["seed"] == 3
    assert [set(each) for each in found["rows"]] == [FIELDS, FIELDS]
    assert [Row(**each) for each in found["rows"]] == [row("arc", 2.0, 4), row("open_book", 1.0)]
    assert [file.name for file in path.parent.iterdir()] == ["results.json"]


@pytest.mark.parametrize("write", [lambda path: write_json(path, 2), lambda path: write_examples(path, [])])
def test_a_write_that_is_cut_short_leaves_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    path = tmp_path / "results.json"
    path.write_text("the earlier one")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("arc_encoder.core.atomic.os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write(path)
    assert path.read_text() == "the earlier one"


def test_examples_are_written_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    write_examples(
        path, [ExampleResult("a", {"f1": 50.0}, 4, details={"answer": "café"}), ExampleResult("b", {"f1": 0.0}, 2)]
    )
    lines = path.read_text(encoding="utf-8").splitlines()
    said = {"id": "a", "f1": 50.0, "weights": {}, "document_positions": 4, "document_tokens": 0, "answer": "café"}
    assert json.loads(lines[0]) == said
    assert "café" in lines[0]
    assert len(lines) == 2


def benchmark() -> QuestionAnswering:
    return QuestionAnswering("colours", Questions(6), shots=1, limit=3, max_new_tokens=2, version=7)


def test_the_runner_gives_a_row_for_each_system_factor_and_metric(session: Session, tmp_path: Path) -> None:
    systems = {"closed_book": ClosedBook(), "open_book": OpenBook(), "truncate": Truncate(), "arc": Arc()}
    rows, _ = run_parts(systems, [benchmark()], session, factors=[4, 8], folder=tmp_path)
    wanted = {("closed_book", None), ("open_book", None), ("truncate", 4), ("truncate", 8), ("arc", 4), ("arc", 8)}
    assert {(r.system, r.pooling_factor) for r in rows} == wanted
    assert len(rows) == 2 * len(wanted)
    assert {(r.benchmark, r.version, r.decoder, r.examples) for r in rows} == {("colours", 7, "decoder", 3)}
    positions = {(r.system, r.pooling_factor): r.document_positions for r in rows}
    assert positions["arc", 4] == positions["truncate", 4] > positions["arc", 8] > positions["closed_book", None] == 0
    assert session.factor is None
    assert {file.name for file in tmp_path.iterdir()} == {
        "colours_closed_book_decoder_1shot_s0.jsonl",
        "colours_open_book_decoder_1shot_s0.jsonl",
        "colours_truncate_x4_decoder_1shot_s0.jsonl",
        "colours_truncate_x8_decoder_1shot_s0.jsonl",
        "colours_arc_x4_decoder_1shot_s0.jsonl",
        "colours_arc_x8_decoder_1shot_s0.jsonl",
    }


def test_without_factors_the_trained_one_is_named(session: Session) -> None:
    rows, _ = run_parts({"arc": Arc(), "open_book": OpenBook()}, [benchmark()], session)
    assert {(r.system, r.pooling_factor) for r in rows} == {("arc", 4), ("open_book", None)}
    explicit, _ = run_parts({"arc": Arc()}, [benchmark()], session, factors=[4])
    assert [r for r in rows if r.system == "arc"] == explicit


def test_a_system_that_needs_an_arc_encoder_says_so(text_session: Session) -> None:
    with pytest.raises(ConfigError, match="system 'arc' needs a trained ARC-Encoder"):
        run_parts({"arc": Arc()}, [benchmark()], text_session)
    assert run_parts({"open_book": OpenBook()}, [benchmark()], text_session)[0]


def test_a_part_of_a_long_name_has_a_file_of_its_own_all_the_same(tmp_path: Path) -> None:
    parts = [Part("arc", "toy_a", 4, "é" * 200 + ending, 1, "strict", 5, 0) for ending in ("a", "b")]
    assert len({part.slug for part in parts}) == 2
    for part in parts:
        assert len(part.slug.encode()) < 140
        write_examples(tmp_path / f"{part.slug}.jsonl", [])


class Silent(QuestionAnswering):
    """Says nothing to every other question."""

    def run(self, system: System, session: Session) -> list[ExampleResult]:
        return [
            ExampleResult(str(i), {"exact_match": 0.0}, 1, {}, details={"answer": "" if i % 2 else "x"})
            for i in range(6)
        ]


def test_empty_answers_are_counted_aloud(session: Session) -> None:
    silent = Silent("silent", Questions(6), shots=0)
    with pytest.warns(UserWarning, match="3 of 6 answers of open_book on silent are empty and count as wrong"):
        run_parts({"open_book": OpenBook()}, [silent], session)
