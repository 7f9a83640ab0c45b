"""Lengths, findings and samples of small sources."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from arc_encoder.data.batching.collator import DecoderText
from arc_encoder.data.records import Document, Question
from arc_encoder.data.tasks import FewShot, Reconstruction
from arc_encoder.tools.survey.counting import Lengths, Measure
from arc_encoder.tools.survey.report import SourceReport, printable, shortened
from arc_encoder.tools.survey.survey import survey_source
from tests.tiny_chat import LLAMA_2, chat_tokenizer
from tests.tiny_models import tiny_tokenizer


@dataclass
class Skipped:
    count: int
    first: list[str]


class Listed:
    """A source from a list."""

    def __init__(self, records: Sequence[Any], skipped: Skipped | None = None) -> None:
        self.records = records
        if skipped:
            self.skipped = skipped

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Any:
        return self.records[index]


@pytest.fixture
def measure() -> Measure:
    tokenizer = tiny_tokenizer()
    return Measure(
        encoder=tokenizer, decoders={"tiny": DecoderText(tokenizer)}, vectors=lambda n: -(-n // 4), budget=40,
        windows={"tiny": 4096}, task_tokens={"tiny": True},
    )  # fmt: skip


def question(number: int, asked: str = "", answer: str = "blue", passage: str = "", **changes: Any) -> Question:
    made = Question(
        str(number), asked or f"Colour {number}?", (answer,), (passage or f"Thing {number} is blue.",), "colours"
    )
    return replace(made, **changes)


def survey(records: Sequence[Any], measure: Measure, task: Any = None, **options: Any) -> SourceReport:
    skipped = options.pop("skipped", None)
    tasks = {} if task is None else {"task": task}
    return survey_source("source", lambda: Listed(records, skipped), tasks, measure, **options)


def found(report: SourceReport) -> dict[str, int]:
    """First words of each finding → count."""
    return {" ".join(row["what"].split()[:4]): row["count"] for row in report.content["findings"]}


def test_lengths_are_those_of_numpy() -> None:
    rng = random.Random(0)
    values = [rng.randrange(200) for _ in range(999)]
    lengths = Lengths()
    lengths.add(values[:500])
    lengths.add(values[500:])
    summary = lengths.summary()
    assert summary is not None
    assert summary["median"] == np.percentile(values, 50, method="inverted_cdf")
    assert summary["p95"] == np.percentile(values, 95, method="inverted_cdf")
    assert summary["mean"] == pytest.approx(np.mean(values))
    assert (summary["min"], summary["max"], summary["number"]) == (min(values), max(values), 999)
    assert Lengths().summary() is None


def test_lengths_and_ratio_of_questions(measure: Measure) -> None:
    report = survey([question(0, passage="x" * 8), question(1, passage="x" * 10)], measure)
    encoder = report.content["lengths"]["encoder"]
    assert (encoder["context"]["min"], encoder["context"]["max"]) == (8, 10)  # the tiny tokenizer knows bytes
    assert encoder["answer"]["mean"] == 4
    assert report.content["vectors_a_context"]["mean"] == 2.5
    assert report.content["ratio"]["tiny"] == pytest.approx(18 / (2 + 1 + 3 + 1))
    assert report.content["subsets"] == {"colours": 2}


def test_what_is_found_in_questions(measure: Measure) -> None:
    records = [
        question(0),
        question(0),
        question(1, asked="Colour 0?"),
        question(2, answer="green"),
        question(3, passages=("It is blue.", "It is blue.")),
        question(4, answers=()),
        question(5, passage="blue " * 20),
    ]
    report = survey(records, measure)
    assert found(report) == {
        "exact repetition of an": 1,
        "question asked before, about": 1,
        "no answer occurs in": 2,
        "passage repeated within its": 1,
        "empty text, question, passage": 1,
        "context longer than the": 1,
    }
    assert not report.usable
    assert survey(records[:5], measure).usable


def test_a_fixed_request_is_no_repeated_question(measure: Measure) -> None:
    records = [question(n, asked="Summarize the previous document.") for n in range(3)]
    assert found(survey(records, measure)) == {}


def test_what_is_found_in_documents(measure: Measure) -> None:
    documents = [Document("a", "some text"), Document("b", "Some  text"), Document("c", "x"), Document("d", "y" * 50)]
    report = survey(documents, measure)
    assert found(report) == {
        "exact repetition of an": 1, "document of fewer than": 1, "document longer than the": 1,
    }  # fmt: skip
    assert not report.usable
    assert survey([documents[0], documents[3]], measure).usable


def test_skipped_records(measure: Measure) -> None:
    records, skipped = [question(0)], Skipped(3, ["f.jsonl:7: not valid JSON"])
    report = survey(records, measure, skipped=skipped)
    assert not report.usable
    assert report.content["skipped_share"] == 0.75
    assert "3 broken (75.00%)" in report.to_text()
    assert "! 3 × broken line" in report.to_text()
    assert "f.jsonl:7: not valid JSON" in report.to_text()
    assert survey(records, measure, skipped=skipped, strict=False).usable


def test_a_limit_is_told(measure: Measure) -> None:
    report = survey([question(n) for n in range(9)], measure, limit=4)
    assert (report.content["records"], report.content["read"]) == (9, 4)
    assert "the first 4 looked at" in report.to_text()


def test_samples_are_shown_as_they_are_built(measure: Measure) -> None:
    records = [question(n) for n in range(4)]
    report = survey(records, measure, lambda source: FewShot(source, shots=1), samples=4, examples=1)
    text = report.to_text()
    assert "4 samples built" in text
    assert "Document: ⟦context: 16 tokens → 4 vectors + task token⟧ Thing" in text
    assert text.count("⟦target⟧ blue") == 1  # the example's answer is plain
    assert "\033[" not in text
    coloured = report.to_text(colour=True)
    assert "\033[36m⟦context" in coloured
    assert "\033[1;32m⟦target⟧ blue" in coloured
    # positions: BOS, plain text, answer and EOS by bytes; five for each context
    plain = len("Document: " + "\nQuestion: Colour 0?\nAnswer:") * 2 + len(" blue" + "\n\n" + " blue")
    summary = report.tasks[0].positions["tiny"].summary()
    assert summary is not None
    assert summary["max"] == 1 + plain + 1 + 2 * (4 + 1)


def test_samples_that_do_not_fit_or_cannot_be_built(measure: Measure) -> None:
    narrow = replace(measure, windows={"tiny": 20})
    report = survey([question(n) for n in range(4)], narrow, lambda source: FewShot(source, shots=1), samples=4)
    assert not report.usable
    assert "! 4 × sample that does not fit a decoder's window" in report.to_text()
    mixed = [question(n, subset=f"s{n}") for n in range(4)]
    report = survey(mixed, measure, lambda source: FewShot(source, shots=3), samples=4)
    assert not report.usable
    assert "one source holds the subsets s0, s1, s2, s3" in report.to_text()
    report = survey([question(0)], measure, lambda source: FewShot(source, shots=5))
    assert "! task task does not accept it: few-shot: 5 examples" in report.to_text()
    assert not report.usable


def test_reconstruction_is_shown(measure: Measure) -> None:
    report = survey([Document("a", "some text")], measure, lambda source: Reconstruction(source), samples=1, examples=1)
    assert "⟦context: 9 tokens → 3 vectors + task token⟧ some text ⟦/⟧⟦target⟧some text" in report.to_text()


def test_texts_are_shortened_and_harmless() -> None:
    assert shortened("one two three four five", 12) == "one … five"
    assert shortened("short", 12) == "short"
    assert printable("a\033[2Jb\x07\nc") == "a�[2Jb�\nc"


def test_a_chat_decoder_is_shown_with_its_template(measure: Measure) -> None:
    text = DecoderText(chat_tokenizer(LLAMA_2), chat=True)
    chat = replace(measure, decoders={"tiny": text}, task_tokens={"tiny": False})
    report = survey([Document("a", "some text")], chat, lambda source: Reconstruction(source), samples=1, examples=1)
    shown = report.to_text()
    assert "[INST]" in shown
    assert "3 vectors⟧ some text" in shown  # no task token
    assert "Replicate the input text." in shown
    assert "⟦target⟧" in shown
