"""What a retriever is: an index of passages that finds the best ones for a question.

To add one: subclass `Retriever`, implement `build`, `load` and `find`, and name the class in a
YAML file of `configs/retriever`.

An index is kept in a folder beside the passages' file. It is built once, in a folder that gets its
name only when it is whole, and used again as long as passages and settings stay the same.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from arc_encoder.core.atomic import atomic_directory
from arc_encoder.core.errors import DataError, writing
from arc_encoder.data.retrieval.store import PassageStore
from arc_encoder.data.sources.jsonl import OnError, matching_files


class Texts(Protocol):
    """Numbered texts, read when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> str: ...


class Retriever(ABC):
    """Finds passages for questions; `open` comes before `search`."""

    store: Texts
    stamp: dict[str, Any]  # files, passage length and settings of the open index, as the manifest tells them

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What the index depends on, besides the passages; also said in the manifest."""

    @abstractmethod
    def build(self, passages: Texts, folder: Path) -> None:
        """Index `passages` and write the index to `folder`."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Open the index that `build` wrote, without reading it whole."""

    @abstractmethod
    def find(self, questions: Sequence[str], top: int) -> list[list[int]]:
        """Numbers of the best passages of each question, best first; at most `top`."""

    def open(
        self,
        pattern: str,
        *,
        words: int | None = 128,
        folder: str | None = None,
        text_field: str = "text",
        on_error: OnError = "stop",
    ) -> Path:
        """Build the index of the passages in JSONL files, or open the one that is there; returns its folder.

        Args:
            pattern: file or glob of JSONL.
            words: words of a passage; None keeps each text whole.
            folder: where the index goes; beside the first file by default.
            text_field: field that holds the text.
            on_error: what a broken line does.

        Raises:
            DataError: no passage there, or a folder that cannot be written.
        """
        files = matching_files(pattern)
        stamp = {
            "files": [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files],
            "words": words,
            "text_field": text_field,
            "on_error": on_error,
            **self.settings(),
        }
        key = hashlib.sha256(json.dumps(stamp, sort_keys=True).encode()).hexdigest()[:12]
        place = Path(folder) if folder else files[0].with_name(f"{files[0].name.split('.')[0]}.index")
        place /= f"{type(self).__name__.lower()}-{key}"
        if not (place / "index.json").is_file():
            hint = "choose another folder for the index"
            with writing(f"the index {place}", hint, kind=DataError), atomic_directory(place) as part:
                part.mkdir()
                self._fill(pattern, part, words, text_field, on_error)
                (part / "index.json").write_text(json.dumps(stamp, indent=1), encoding="utf-8")
        self.store, self.stamp = PassageStore(place), stamp
        self.load(place)
        return place

    def _fill(self, pattern: str, part: Path, words: int | None, text_field: str, on_error: OnError) -> None:
        store = PassageStore.write(pattern, part, words=words, text_field=text_field, on_error=on_error)
        if not len(store):
            raise DataError(f"{pattern} holds no passage; give JSONL files with a field {text_field!r}")
        self.build(store, part)

    def search(self, questions: Sequence[str], top: int = 5) -> list[list[str]]:
        """The best passages of each question, best first.

        Args:
            questions: texts.
            top: most passages of a question.
        """
        if not questions:
            return []
        return [[self.store[number] for number in numbers] for numbers in self.find(questions, top)]
