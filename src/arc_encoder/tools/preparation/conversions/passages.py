"""Questions about given passages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, gathered, has, pick, question

UNANSWERABLE = "CANNOTANSWER"  # of QuAC


class Drop(Conversion):
    """DROP, questions that need counting and comparing: rows of the hub's table, or passages of the original JSON file with their questions.

    Args:
        all_spans: take every annotated span as an accepted answer, not the first alone.
    """

    def __init__(self, all_spans: bool = False) -> None:
        self.all_spans = all_spans

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        passage = pick(row, "passage")
        for asked in row["qa_pairs"] if has(row, "qa_pairs") else [row]:
            spans = pick(asked, "answers_spans.spans", "answer")
            spans = _original(spans) if isinstance(spans, Mapping) else list(spans)
            yield question(pick(asked, "question"), spans if self.all_spans else spans[:1], [passage])


def _original(answer: Mapping[str, Any]) -> list[str]:
    """Spans, number or date of an answer of the original file."""
    if answer.get("spans"):
        return list(answer["spans"])
    if answer.get("number"):
        return [str(answer["number"])]
    date = answer.get("date") or {}
    return [" ".join(str(date[part]) for part in ("day", "month", "year") if date.get(part))]


class HotpotQa(Conversion):
    """HotpotQA, distractor setting: ten paragraphs, of the hub's table (lists) or of the original file (pairs).

    Args:
        titles: put each paragraph's title in a line above it.
    """

    def __init__(self, titles: bool = False) -> None:
        self.titles = titles

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        context = pick(row, "context")
        if isinstance(context, Mapping):
            context = list(zip(pick(context, "title"), pick(context, "sentences"), strict=True))
        passages = []
        for title, sentences in context:
            text = " ".join(sentence.strip() for sentence in sentences)
            passages.append(f"{title}\n{text}" if self.titles else text)
        yield question(pick(row, "question"), pick(row, "answer"), passages)


class Qed(Conversion):
    """QED: questions of Natural Questions with the paragraph that answers them (Lamm et al., 2021).

    A row has a paragraph, a question, and the short answers that the annotators of Natural Questions marked. Where
    QED's own annotators found that the paragraph does not answer the question, it is left out.
    """

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        if has(row, "annotation") and row["annotation"].get("explanation_type") == "none":
            yield LeftOut("the paragraph does not answer the question")
            return
        answers = [span["string"] for span in _spans(pick(row, "original_nq_answers"))]
        yield question(pick(row, "question_text", "question"), answers, [pick(row, "paragraph_text")])


def _spans(value: Any) -> Iterator[Mapping[str, Any]]:
    """The spans of a list, or of a list of lists: an answer may have several."""
    for each in value:
        if isinstance(each, Mapping):
            yield each
        else:
            yield from _spans(each)


class Quac(Conversion):
    """QuAC, each question of a dialogue by itself: dialogues of the hub's table (lists side by side), or articles of the original JSON file."""

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        if not has(row, "paragraphs"):
            turns = zip(pick(row, "questions"), pick(row, "answers.texts"), strict=True)
            passage = pick(row, "context").removesuffix(UNANSWERABLE)
            yield from (_turn(asked, answers, passage) for asked, answers in turns)
            return
        for paragraph in row["paragraphs"]:
            passage = pick(paragraph, "context").removesuffix(UNANSWERABLE)
            for asked in pick(paragraph, "qas"):
                answers = [pick(each, "text") if isinstance(each, Mapping) else each for each in pick(asked, "answers")]
                yield _turn(pick(asked, "question"), answers, passage)


def _turn(asked: str, answers: list[str], passage: str) -> Record | LeftOut:
    known = [answer for answer in answers if answer.strip() != UNANSWERABLE]
    return question(asked, known, [passage]) if known else LeftOut("unanswerable")


class Reading(Conversion):
    """A field each for question, answers and passages: BoolQ, MuSiQue, FairytaleQA. True and false become yes and no.

    Args:
        question: names that the field may have; a dot goes one level down.
        answers: fields that are put together where they are there.
        passages: names that the field may have; a text or a list.
        passage_text: of a passage that is an object, the field that holds its text.
    """

    def __init__(
        self,
        question: Sequence[str] = ("question",),
        answers: Sequence[str] = ("answers", "answer"),
        passages: Sequence[str] = ("passages", "passage"),
        passage_text: str | None = None,
    ) -> None:
        self.question, self.answers, self.passages = tuple(question), tuple(answers), tuple(passages)
        self.passage_text = passage_text

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        answers = gathered(row, self.answers)
        passages = pick(row, *self.passages)
        texts = [self._text(each) for each in (passages if isinstance(passages, list) else [passages])]
        yield question(pick(row, *self.question), [_word(answer) for answer in answers], texts)

    def _text(self, passage: Any) -> str:
        if self.passage_text is not None and isinstance(passage, Mapping):
            return str(pick(passage, self.passage_text))
        return str(passage)


def _word(answer: Any) -> str:
    return ("yes" if answer else "no") if isinstance(answer, bool) else str(answer)


class Squad(Conversion):
    """SQuAD and sets in its format, with all answers: rows of the hub's table, or articles of the original JSON file."""

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        if not has(row, "paragraphs"):
            title = row.get("title")
            yield question(pick(row, "question"), pick(row, "answers.text"), [pick(row, "context")], document=title)
            return
        for paragraph in row["paragraphs"]:
            for asked in pick(paragraph, "qas"):
                answers = [pick(answer, "text") for answer in pick(asked, "answers")]
                passages = [pick(paragraph, "context")]
                yield question(pick(asked, "question"), answers, passages, document=row.get("title"))
