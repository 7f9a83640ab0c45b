"""What sources yield: plain documents, and questions about passages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

Record = TypeVar("Record", covariant=True)


@dataclass(frozen=True)
class Document:
    """A text to pretrain on."""

    id: str
    text: str


@dataclass(frozen=True)
class Question:
    """A question with its accepted answers and the passages that hold them.

    `subset` names the data set; few-shot examples come from the same one. `instruction` says what
    is wanted beside the question, for instruct decoders; most data sets have none. `conditions` are
    what a generated question was made with, such as ("depth", 0.5), for tables by condition. `article`
    names what the passages were taken from; questions of one article are no independent examples.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    passages: tuple[str, ...]
    subset: str
    instruction: str = ""
    conditions: tuple[tuple[str, float], ...] = ()
    article: str = ""


class Source(Protocol[Record]):
    """Records by index. A source must be cheap to copy to worker processes."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Record: ...
