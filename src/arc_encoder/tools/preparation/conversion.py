"""What a conversion is: a row of a data set, as its authors publish it → records of this project.

A record is {question, answers, passages} or {text}, as the sources of `data` read them.
To add one: subclass `Conversion`, implement `records`, and name the class in a YAML file of
`configs/recipe`. Rows come from parquet or from the set's own files, so field names are looked
up with `pick`, which knows alternatives and says what it found.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from arc_encoder.core.errors import DataError
from arc_encoder.data.sources.fields import value_at

Row = Mapping[str, Any]
Record = dict[str, Any]


@dataclass(frozen=True)
class LeftOut:
    """Stands for a record that is not written."""

    reason: str


class Conversion(ABC):
    """Turns rows into records."""

    needs_passages = False  # whether the records come without, so that passages are retrieved

    @abstractmethod
    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        """The records of one row, or why it gives none.

        Raises:
            DataError: a field is missing.
        """


def pick(row: Row, *names: str) -> Any:
    """The first of the fields that is there; a dot goes one level down.

    Raises:
        DataError: none is there, with the fields found.
    """
    for name in names:
        if (value := value_at(row, name)) is not None:
            return value
    found = ", ".join(
        f"{key} {{{', '.join(map(str, v))}}}" if isinstance(v, Mapping) else str(key) for key, v in row.items()
    )
    raise DataError(f"a row has no field {' or '.join(map(repr, names))}; it has: {found or 'nothing'}")


def gathered(row: Row, names: Sequence[str]) -> list[Any]:
    """What is in those of the fields that are there, put together.

    Raises:
        DataError: none is there.
    """
    pick(row, *names)
    found: list[Any] = []
    for name in names:
        with suppress(DataError):
            value = pick(row, name)
            found += value if isinstance(value, list) else [value]
    return found


def has(row: Row, name: str) -> bool:
    """Whether a field is there and not null."""
    return row.get(name) is not None


def unique(texts: Any) -> list[str]:
    """The texts of a list (or a single one), stripped, without empty ones and repetitions, in order."""
    values = texts if isinstance(texts, list | tuple) else [texts]
    return list(dict.fromkeys(text for value in values if value is not None and (text := str(value).strip())))


def question(asked: Any, answers: Any, passages: Any = None, *, document: Any = None) -> Record | LeftOut:
    """A question's record, or what it lacks. Without `passages` they are to be retrieved; `document` names their article."""
    words, found = str(asked).strip(), unique(answers)
    if not words:
        return LeftOut("empty question")
    if not found:
        return LeftOut("no answer")
    record: Record = {"question": words, "answers": found}
    if passages is not None:
        texts = [text for each in passages if (text := str(each).strip())]
        if not texts:
            return LeftOut("empty passage")
        record["passages"] = texts
    if document:
        record["document"] = str(document)
    return record
