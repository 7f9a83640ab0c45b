"""Questions whose passages are retrieved, and records that are in our form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, gathered, has, pick, question


class MultiQa(Conversion):
    """One set among several that a table mixes: questions whose id begins with a prefix.

    Args:
        prefix: beginnings of the ids to take; case, hyphens and underscores do not matter.
        without: answers that mean that there is none; a question left without answer is left out.
    """

    needs_passages = True

    def __init__(self, prefix: Sequence[str], without: Sequence[str] = ()) -> None:
        self.prefix = tuple(map(_plain, prefix))
        self.without = {text.strip().rstrip(".").lower() for text in without}

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        name = str(pick(row, "id", "question_id", "qid"))
        if not _plain(name).startswith(self.prefix):
            yield LeftOut(f"another set: id begins with {_letters(name)!r}")
            return
        answers = pick(row, "answers", "answer", "label")
        answers = answers if isinstance(answers, list) else [answers]
        kept = [text for text in answers if str(text).strip().rstrip(".").lower() not in self.without]
        yield question(pick(row, "question", "content", "query"), kept)


def _plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


def _letters(name: str) -> str:
    """The letters that an id begins with."""
    end = next((place for place, letter in enumerate(name) if letter.isdigit()), len(name))
    return name[:end].rstrip("-_:")[:40]


class OpenQuestions(Conversion):
    """Questions with answers and no passage: NQ-open, TriviaQA without context.

    Args:
        question: names that the field may have; a dot goes one level down.
        answers: likewise; the fields that are there are put together, so that aliases join the main answer.
    """

    needs_passages = True

    def __init__(self, question: Sequence[str] = ("question",), answers: Sequence[str] = ("answers", "answer")) -> None:
        self.question, self.answers = tuple(question), tuple(answers)

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        yield question(pick(row, *self.question), gathered(row, self.answers))


class Questions(Conversion):
    """Question, answer or answers, and passages, as in the method's released fine-tuning mix."""

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        passages = pick(row, "passages", "passage")
        passages = passages if isinstance(passages, list) else [passages]
        record = question(pick(row, "question"), pick(row, "answers", "answer"), passages)
        if isinstance(record, dict) and has(row, "instruction"):
            record["instruction"] = row["instruction"]
        yield record
