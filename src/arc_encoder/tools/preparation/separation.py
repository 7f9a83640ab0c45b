"""Keeping training and evaluation apart: nothing that occurs in an evaluation set, and articles held out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from arc_encoder.core.errors import ConfigError, at_least
from arc_encoder.data.sources.jsonl import read_jsonl
from arc_encoder.tools.preparation.conversion import LeftOut, Record

_WORD = re.compile(r"\w+")


class Separation:
    """Which records may be trained on.

    A record is left out if its text shares `words` words in a row with a text of `exclude`, whatever their case and
    the signs between them; a text that is shorter than that cannot be found. 13 words are what the training data of
    GPT-3 was filtered by (Brown et al., 2020, App. C).

    Args:
        held_out: share of the documents that go into a file of their own. A document and everything that is cut from
            it or asked about it are on the same side; which side hangs on its text alone.

    Raises:
        ConfigError: a file without such texts, `words` below 1, or a share outside [0, 1).
        DataError: no such file, or a broken line.
    """

    def __init__(self, exclude: Sequence[str] = (), words: int = 13, held_out: float = 0.0) -> None:
        at_least(1, exclude_words=words)
        if not 0.0 <= held_out < 1.0:
            raise ConfigError(
                f"held_out={held_out}: expected a share of the documents, from 0 to below 1, such as 0.05"
            )
        self.words, self.held_out = words, held_out
        self.known: dict[int, str] = {}
        for pattern in exclude:
            runs = {
                run for _, record in read_jsonl(pattern, ()) for text in texts_of(record) for run in self._runs(text)
            }
            if not runs:
                raise ConfigError(
                    f"exclude={pattern} has no text of {words} words or more; expected JSON lines with `text` or `passages`"
                )
            self.known.update(dict.fromkeys(runs, str(pattern)))

    def check(self, record: Record) -> LeftOut | None:
        """Why a record may not be trained on, or None."""
        for text in texts_of(record) if self.known else ():
            for run in self._runs(text):
                if run in self.known:
                    return LeftOut(f"shares {self.words} words in a row with {self.known[run]}")
        return None

    def is_held_out(self, record: Record) -> bool:
        """Whether a record belongs to a document that is held out."""
        if not self.held_out:
            return False
        first = record.get("document") or next(iter(texts_of(record)), "")
        digest = hashlib.blake2b(first.encode("utf-8", "replace"), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self.held_out * 2**64

    def _runs(self, text: str) -> list[int]:
        """A digest of every run of `words` words."""
        words = _WORD.findall(text.lower())
        return [hash(tuple(words[start : start + self.words])) for start in range(len(words) - self.words + 1)]


def texts_of(record: dict[str, Any]) -> list[str]:
    """The texts that a record of this project's form lets a model read."""
    passages = record.get("passages") or []
    return [record["text"]] if isinstance(record.get("text"), str) else [str(each) for each in passages]
