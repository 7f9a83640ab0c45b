"""One pass over a source's records, in blocks: lengths and findings, constant memory but for the digests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from arc_encoder.data.prompts import joined_passages
from arc_encoder.data.records import Document, Question
from arc_encoder.data.retrieval.answers import contains_answer
from arc_encoder.tools.survey.counting import (
    EMPTY,
    LONG,
    NOT_FOUND,
    SAME_PASSAGE,
    SAME_QUESTION,
    SAME_RECORD,
    TOO_LONG,
    TOO_SHORT,
    Findings,
    Lengths,
    Measure,
    Seen,
)

BLOCK = 256  # records tokenized at once
BLOCK_CHARACTERS = 300_000  # or fewer, if they are long


class RecordSurvey:
    """Statistics of documents or questions.

    Args:
        max_passages: passages of a context at most; None takes all.
    """

    def __init__(self, measure: Measure, *, max_passages: int | None = None) -> None:
        self.measure, self.max_passages = measure, max_passages
        self.kind = ""
        self.findings = Findings()
        self.subsets: Counter[str] = Counter()
        self.encoder: dict[str, Lengths] = {}
        self.decoders: dict[str, dict[str, Lengths]] = {name: {} for name in measure.decoders}
        self.positions = dict.fromkeys(measure.decoders, 0)
        self.vectors, self.passages = Lengths(), Lengths()
        self._records, self._questions = Seen(), Seen()

    def add(self, records: Iterable[Document | Question]) -> None:
        """Look at every record once."""
        for block in _blocks(records):
            if isinstance(block[0], Question):
                self._add_questions([record for record in block if isinstance(record, Question)])
            else:
                self._add_documents([record for record in block if isinstance(record, Document)])

    def _add_documents(self, documents: Sequence[Document]) -> None:
        self.kind = "documents"
        tokens = self._lengths("document", [document.text for document in documents], context=True)
        for document, length in zip(documents, tokens, strict=True):
            if not document.text.strip():
                self.findings.add(EMPTY, document.id)
            elif length < 2:
                self.findings.add(TOO_SHORT, document.id)
            if self._records.again(document.text):
                self.findings.add(SAME_RECORD, document.id)
            if length > self.measure.budget:
                self.findings.add(LONG, f"{document.id}: {length:,} tokens of at most {self.measure.budget:,}")

    def _add_questions(self, questions: Sequence[Question]) -> None:
        self.kind = "questions"
        self.subsets.update(question.subset for question in questions)
        contexts = [joined_passages(question, self.max_passages) for question in questions]
        tokens = self._lengths("context", contexts, context=True)
        self._lengths("question", [question.question for question in questions])
        self._lengths("answer", [question.answers[0] for question in questions if question.answers])
        self.passages.add(len(question.passages) for question in questions)
        for question, context, length in zip(questions, contexts, tokens, strict=True):
            where = question.id
            parts = (question.question, *question.answers[:1], context)
            if not question.answers or any(not part.strip() for part in parts):
                self.findings.add(EMPTY, where)
            repeated = self._records.again(question.question, *question.answers, *question.passages)
            if repeated:
                self.findings.add(SAME_RECORD, where)
            # a fixed request, as in summaries, belongs to its document
            asked_again = self._questions.again(question.question)
            if asked_again and not repeated and question.question.rstrip().endswith("?"):
                self.findings.add(SAME_QUESTION, f"{where}: {question.question[:80]}")
            if len(set(question.passages)) < len(question.passages):
                self.findings.add(SAME_PASSAGE, where)
            if not contains_answer(question.answers, question.passages):
                self.findings.add(NOT_FOUND, f"{where}: {(question.answers or ('',))[0][:60]}")
            if length > self.measure.budget:
                self.findings.add(TOO_LONG, f"{where}: {length:,} tokens of at most {self.measure.budget:,}")

    def _lengths(self, name: str, texts: Sequence[str], *, context: bool = False) -> list[int]:
        """Count lengths; returns those in encoder tokens."""
        tokens = self.measure.encoder_tokens(texts)
        self.encoder.setdefault(name, Lengths()).add(tokens)
        for decoder in self.measure.decoders:
            self.decoders[decoder].setdefault(name, Lengths()).add(self.measure.decoder_tokens(texts, decoder))
            if context:
                self.positions[decoder] += sum(self.measure.positions(length, decoder) for length in tokens)
        if context:
            self.vectors.add(map(self.measure.vectors, tokens))
        return tokens

    def ratio(self, decoder: str) -> float | None:
        """Decoder tokens of the contexts for each position that they take once compressed, task token counted."""
        name = "context" if self.kind == "questions" else "document"
        summary: dict[str, Any] | None = self.decoders[decoder].get(name, Lengths()).summary()
        return None if summary is None or not self.positions[decoder] else summary["total"] / self.positions[decoder]


def _blocks(records: Iterable[Document | Question]) -> Iterator[list[Document | Question]]:
    """Records in blocks of bounded number and length."""
    iterator, block, size = iter(records), [], 0
    for record in islice(iterator, None):
        block.append(record)
        size += len(record.text) if isinstance(record, Document) else sum(map(len, record.passages))
        if len(block) >= BLOCK or size >= BLOCK_CHARACTERS:
            yield block
            block, size = [], 0
    if block:
        yield block
