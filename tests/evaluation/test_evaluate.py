"""Evaluation as one function."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import arc_encoder
from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.evaluation.benchmarks import QuestionAnswering
from arc_encoder.evaluation.evaluate import evaluate
from arc_encoder.evaluation.reporting.page import report
from arc_encoder.evaluation.runs.results import Part
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import Arc, ClosedBook, OpenBook, System, Truncate
from arc_encoder.model.decoder.frozen_decoder import FrozenDecoder
from arc_encoder.model.decoder.load import load_decoder
from tests.evaluation.conftest import Questions
from tests.inference.conftest import folder, language_model

__all__ = ["folder", "language_model"]  # a saved compressor, and the model that it was made from


@pytest.fixture
def benchmark() -> QuestionAnswering:
    return QuestionAnswering("colours", Questions(3), shots=0, max_new_tokens=2)


SYSTEMS: dict[str, System] = {"text": OpenBook(), "vectors": Arc()}


def test_decoders_are_loaded_one_after_the_other_and_results_written(
    benchmark: QuestionAnswering, folder: Path, language_model: Path, tmp_path: Path
) -> None:
    loads: list[str] = []

    def load() -> FrozenDecoder:
        loads.append("d")
        return load_decoder(language_model)

    run = tmp_path / "run"
    rows, _ = evaluate(SYSTEMS, [benchmark], {"d": load}, folder, factors=[2, 4], folder=run, progress=False)
    assert loads == ["d"]
    assert {(row.system, row.pooling_factor) for row in rows} == {("text", None), ("vectors", 2), ("vectors", 4)}
    written = json.loads((run / "results.json").read_text())
    assert written["status"] == "finished"
    assert len(written["rows"]) == len(rows)
    assert (run / "report.md").is_file()
    assert len(list((run / "examples").glob("*.jsonl"))) == 3
    page, *_ = report([run], tmp_path / "report")
    assert "colours" in page.read_text()


def test_parts_that_are_the_same_are_not_done_again(
    benchmark: QuestionAnswering, language_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def once(text: str) -> list[object]:
        found = evaluate(
            {"none": ClosedBook()}, [benchmark], {"d": str(language_model)}, folder=tmp_path,
            identify=lambda part: f"{part.system} {text}", progress=False,
        )  # fmt: skip
        return [found[0]]

    first = once("one")
    ran: list[str] = []
    run = QuestionAnswering.run
    monkeypatch.setattr(QuestionAnswering, "run", lambda *words: ran.append("again") or run(*words))
    assert once("one") == first
    assert ran == []
    once("two")
    assert ran == ["again"]


def test_what_is_missing_is_told_before_anything_is_loaded(benchmark: QuestionAnswering) -> None:
    def never() -> FrozenDecoder:
        raise AssertionError

    for systems, advice in (({}, "system"), ({"arc": Arc()}, "compressor"), ({"cut": Truncate()}, "budget")):
        with pytest.raises(ConfigError) as raised:
            evaluate(systems, [benchmark], {"d": never})  # type: ignore[arg-type]
        assert raised.value.advice == advice
    with pytest.raises(ConfigError) as raised:
        evaluate({"none": ClosedBook()}, [benchmark], {})
    assert raised.value.advice == "decoder"


def test_a_compressor_that_does_not_serve_one_of_the_decoders(
    benchmark: QuestionAnswering, folder: Path, language_model: Path
) -> None:
    both = {"d": str(language_model), "other": str(language_model)}
    with pytest.raises(CheckpointError, match="no projector for decoder 'other'"):
        evaluate(SYSTEMS, [benchmark], both, folder, progress=False)


def test_an_open_session_is_taken_as_it_is(benchmark: QuestionAnswering, session: Session) -> None:
    rows, costs = evaluate({"vectors": Arc()}, [benchmark], session)
    assert {Part(**{key: getattr(row, key) for key in Part.__dataclass_fields__}).decoder for row in rows} == {
        "decoder"
    }
    assert costs == []
    assert arc_encoder.evaluate is evaluate
    assert arc_encoder.report is report
