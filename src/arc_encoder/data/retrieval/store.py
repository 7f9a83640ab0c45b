"""Passages on disk: documents cut into pieces of so many words, read one by one without loading the rest.

The method's passages have 128 words (Pilchen et al., 2025, App. C). The folder holds
`passages.jsonl`, one JSON string a line, and `offsets.npy`, where each line begins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from arc_encoder.core.errors import at_least
from arc_encoder.data.sources.jsonl import OnError, read_jsonl

_WORD = re.compile(r"\S+")


def split_words(text: str, words: int | None) -> Iterator[str]:
    """`text` in consecutive passages of `words` words (white space between them kept); the last may be shorter.

    Raises:
        ConfigError: fewer than one word.
    """
    at_least(1, "", "; null keeps each text whole", passage_words=words)
    spans = [match.span() for match in _WORD.finditer(text)]
    for start in range(0, len(spans), words or max(1, len(spans))):
        last = min(start + words if words else len(spans), len(spans)) - 1
        yield text[spans[start][0] : spans[last][1]]


class PassageStore:
    """The passages of a folder, by number."""

    def __init__(self, folder: Path) -> None:
        self.offsets: Any = np.load(folder / "offsets.npy", mmap_mode="r")
        self.lines = (folder / "passages.jsonl").open("rb")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < len(self):
            raise IndexError(index)
        self.lines.seek(int(self.offsets[index]))
        text: str = json.loads(self.lines.readline())
        return text

    @classmethod
    def write(
        cls, pattern: str, folder: Path, *, words: int | None, text_field: str = "text", on_error: OnError = "stop"
    ) -> PassageStore:
        """Cut the texts of JSONL files into passages and write them to `folder`.

        Args:
            words: words of a passage; None keeps each text whole.

        Raises:
            DataError: nothing there, or a line without text.
        """
        offsets, place = [0], 0
        with (folder / "passages.jsonl").open("wb") as out:
            records = read_jsonl(pattern, (text_field,), on_error, lambda record: _not_text(record, text_field))
            for _, record in tqdm(records, desc="passages", unit=" texts", mininterval=1, disable=None):
                for passage in split_words(record[text_field], words):
                    place += out.write(json.dumps(passage, ensure_ascii=False).encode() + b"\n")
                    offsets.append(place)
        np.save(folder / "offsets.npy", np.array(offsets, dtype=np.int64))
        return cls(folder)


def _not_text(record: Mapping[str, Any], field: str) -> str | None:
    found = record[field]
    return None if isinstance(found, str) else f"field {field!r} holds {type(found).__name__}, expected text"
