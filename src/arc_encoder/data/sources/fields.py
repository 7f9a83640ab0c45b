"""A mapping of any source → a document or a question: which fields hold what, and what is wrong with them.

A name with dots goes into nested fields: ``answers.text`` reads SQuAD's answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any, Generic, TypeVar

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.data.records import Document, Question
from arc_encoder.data.sources.files.line_index import Skipped

R = TypeVar("R")
QUESTION_FIELDS = ("question", "answers", "answer", "passages", "instruction", "document")


def value_at(record: Mapping[str, Any], name: str) -> Any:
    """The value of a field, or of a nested one; None if it is not there."""
    if name in record:
        return record[name]
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def missing(record: Mapping[str, Any], required: tuple[str, ...]) -> str | None:
    """Which required fields are not there or empty, in words; None if all are filled."""
    absent = [name for name in required if not value_at(record, name)]
    if not absent:
        return None
    return f"missing or empty field {', '.join(map(repr, absent))} (found: {', '.join(map(str, record)) or 'none'})"


def named(record: Mapping[str, Any], where: str) -> str:
    """The record's id, or its place if it has none."""
    return where if record.get("id") in (None, "") else str(record["id"])


def texts(value: Any) -> tuple[str, ...]:
    """A text or number, or the not empty ones of a list, as texts; nothing if it is something else."""
    values = value if isinstance(value, list | tuple) else [value]
    if not all(is_text(each) for each in values):
        return ()
    return tuple(text for each in values if (text := str(each)).strip())


def is_text(value: Any) -> bool:
    """Whether a value is a text, or a number that can stand for one; true, false and NaN cannot."""
    return (isinstance(value, str | int) and not isinstance(value, bool)) or (
        isinstance(value, float) and isfinite(value)
    )


def text_fault(name: str, value: Any) -> str:
    """Why the value of a field gives no text, in words."""
    values = value if isinstance(value, list | tuple) else [value]
    wrong = [(place, each) for place, each in enumerate(values) if not is_text(each)]
    if not wrong:
        return f"field {name!r} holds no text that is not blank"
    place, each = wrong[0]
    where = f", at place {place} of its list," if isinstance(value, list | tuple) else ""
    kind = "null" if each is None else str(each) if isinstance(each, float) else type(each).__name__
    return f"field {name!r} holds{where} {kind}, expected text"


class DocumentFields:
    """Fields of a document."""

    def __init__(self, text: str = "text") -> None:
        self.text = text

    @property
    def key(self) -> str:
        """What is checked, for caches."""
        return f"document, not blank, {self.text}"

    def problem(self, record: Mapping[str, Any]) -> str | None:
        """What is wrong with a record, in words."""
        found = missing(record, (self.text,))
        if found is None and not isinstance(value_at(record, self.text), str):
            found = f"field {self.text!r} holds {type(value_at(record, self.text)).__name__}, expected text"
        if found is None and not texts(value_at(record, self.text)):
            found = text_fault(self.text, value_at(record, self.text))
        return found

    def document(self, record: Mapping[str, Any], where: str, subset: str = "") -> Document:
        """The document of a sound record."""
        return Document(named(record, where), value_at(record, self.text))


class QuestionFields:
    """Fields of a question.

    Args:
        names: other names for question, answers, answer, passages, instruction and document (what the passages were
            taken from), such as {"question": "query"}.

    Raises:
        ConfigError: a name for something else.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        unknown = sorted(set(names or {}) - set(QUESTION_FIELDS))
        if unknown:
            raise ConfigError(f"fields: unknown name {', '.join(unknown)}; choose from {', '.join(QUESTION_FIELDS)}")
        self.names = {**{name: name for name in QUESTION_FIELDS}, **dict(names or {})}

    @property
    def key(self) -> str:
        """What is checked, for caches."""
        return f"question, not blank or NaN, {sorted(self.names.items())}"

    def problem(self, record: Mapping[str, Any]) -> str | None:
        """What is wrong with a record, in words."""
        names = self.names
        found = missing(record, (names["question"], names["passages"]))
        if found is not None:
            return found + self._hint(record)
        question = value_at(record, names["question"])
        if isinstance(question, list | tuple):
            return f"field {names['question']!r} holds {type(question).__name__}, expected text"
        if not texts(question):
            return text_fault(names["question"], question)
        if not texts(value_at(record, names["passages"])):
            return text_fault(names["passages"], value_at(record, names["passages"]))
        if not self._answers(record):
            given = next(
                (n for n in (names["answers"], names["answer"]) if value_at(record, n) not in (None, [])), None
            )
            if given is None:
                return f"no text or list of texts in field {names['answers']!r} (or {names['answer']!r})"
            return text_fault(given, value_at(record, given)) + self._hint(record)
        return None

    def _hint(self, record: Mapping[str, Any]) -> str:
        """What to do with a record in the form of SQuAD's."""
        if self.names["passages"] == "passages" and isinstance(record.get("context"), str):
            return "; a record in SQuAD's form is read with fields={passages: context, answers: answers.text}"
        return ""

    def question(self, record: Mapping[str, Any], where: str, subset: str) -> Question:
        """The question of a sound record."""
        names = self.names
        instruction, article = value_at(record, names["instruction"]), value_at(record, names["document"])
        return Question(
            id=named(record, where),
            question=str(value_at(record, names["question"])),
            answers=self._answers(record),
            passages=texts(value_at(record, names["passages"])),
            subset=subset,
            instruction="" if instruction is None else str(instruction),
            article=str(article) if is_text(article) else "",
        )

    def _answers(self, record: Mapping[str, Any]) -> tuple[str, ...]:
        return texts(value_at(record, self.names["answers"])) or texts(value_at(record, self.names["answer"]))


class RecordSource(Generic[R]):
    """Records of files or of a table, read when they are asked for.

    Args:
        name: of the source, for errors.
        what: its records are.
        rows: sound records by place: name of their file, place in it, and record; what they left out is `skipped`.
        read: record, place and subset → what it says.
        subset: name of the data set; None takes the beginning of the file's name.

    Raises:
        DataError: there is no record.
    """

    def __init__(
        self, name: str, what: str, rows: Any, read: Callable[[Any, str, str], R], subset: str | None = None
    ) -> None:
        self._rows, self._read, self._subset = rows, read, subset
        if not len(rows):
            raise DataError(f"{name} holds no {what}")

    @property
    def skipped(self) -> Skipped:
        """Lines or rows that were left out."""
        found: Skipped = self._rows.skipped
        return found

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> R:
        name, where, record = self._rows[index]
        return self._read(record, where, self._subset or name.split(".")[0])

    def __iter__(self) -> Iterator[R]:
        return (self[index] for index in range(len(self)))
