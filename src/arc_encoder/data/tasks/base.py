"""What a training task is: an endless, indexed supply of samples.

To add one: subclass `Task`, implement `sample`, and name the class in a YAML file of
`configs/data`.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import DataError, at_least
from arc_encoder.core.segments import Sample, Segment
from arc_encoder.data.batching.tokens import token_spans
from arc_encoder.data.records import Document, Source

MOST_CHARACTERS = 32  # of a token, on the average of a long text
MOST_SHORT = 1000  # documents in a row that may be too short
HUGE = 4  # times the wanted tokens at their longest, from where on a text is cut before it is tokenized


class Task(ABC):
    """A kind of sample.

    Args:
        share: how much of the training this task gets, relative to the other tasks.

    Raises:
        ConfigError: a negative share.

    Attributes:
        lengths_vary: whether samples differ so much in length that it pays to sort them (see `batches.py`).
    """

    lengths_vary = False

    def __init__(self, share: float = 1.0) -> None:
        at_least(0, type(self).__name__, share=share)
        self.share = share

    @property
    def has_text_form(self) -> bool:
        """Whether the decoder could read the samples without compression, as distillation needs it.

        What has no bound on its length has none: compression is what makes it fit the decoder's window.
        """
        return True

    @abstractmethod
    def sample(self, index: int, seed: int, tokenizer: PreTrainedTokenizerBase) -> Sample:
        """Sample number `index`, a pure function of its arguments.

        Args:
            index: place in the endless supply.
            seed: the run's data seed.
            tokenizer: the encoder's, for budgets in tokens.
        """

    def random(self, index: int, seed: int) -> random.Random:
        """The random numbers of one sample."""
        return random.Random(f"{type(self).__name__}-{seed}-{index}")


def long_enough(
    source: Source[Document], place: int, segments_of: Callable[[Document], tuple[Segment, ...]], problem: str
) -> tuple[str, tuple[Segment, ...]]:
    """Id and segments of the first document from `place` on that has some.

    Args:
        source: documents.
        place: of the first that is tried.
        segments_of: nothing where a document is too short.
        problem: what the documents are if none has any.

    Raises:
        DataError: `MOST_SHORT` documents in a row are too short.
    """
    tried = min(len(source), MOST_SHORT)
    for step in range(tried):
        document = source[(place + step) % len(source)]
        if segments := segments_of(document):
            return document.id, segments
    raise DataError(f"{tried} documents in a row, from {source[place].id!r} on, {problem}")


def cut(text: str, spans: list[tuple[int, int]], start: int, end: int) -> str:
    """The text of tokens start … end − 1; consecutive cuts put together are the text again."""
    last = len(text) if end >= len(spans) else spans[end][0]
    return text[0 if start == 0 else spans[start][0] : last]


def window_of(text: str, tokens: int, key: str) -> str:
    """A text, or of a huge one a random part that holds at least `tokens` tokens and is quickly tokenized.

    Args:
        text: of any length.
        tokens: how many encoder tokens are wanted.
        key: what the part's place hangs on.
    """
    max_length = HUGE * tokens * MOST_CHARACTERS
    if len(text) <= max_length:
        return text
    start = random.Random(key).randint(0, len(text) - max_length)
    return text[start : start + max_length]


def first_tokens(text: str, limit: int | None, tokenizer: PreTrainedTokenizerBase) -> str:
    """The first `limit` encoder tokens of a text, or all of it; of a huge text only its beginning is tokenized."""
    if limit is None or len(text.encode()) <= limit:  # no token is shorter than a byte
        return text
    head = text[: limit * MOST_CHARACTERS]
    spans = token_spans(head, tokenizer)
    return cut(head, spans, 0, limit) if len(spans) > limit else head
