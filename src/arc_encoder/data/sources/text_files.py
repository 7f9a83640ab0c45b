"""Documents of plain text files: a file each, or the paragraphs of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from arc_encoder.core.errors import DataError
from arc_encoder.data.records import Document
from arc_encoder.data.sources.files.line_index import Skipped
from arc_encoder.data.sources.files.packed import Bytes, InMemory, open_bytes, unreadable
from arc_encoder.data.sources.jsonl import OnError, check_on_error, matching_files, warn_of


class TextDocuments:
    """Text files in UTF-8, plain, .gz or .zst, read when they are asked for.

    Args:
        path: file or glob.
        paragraphs: False takes each file as one document; True cuts at blank lines.
        on_error: what an empty file or one that is not UTF-8 does: ``stop`` or ``skip``.

    Raises:
        DataError: nothing there, or a bad file.
    """

    def __init__(self, path: str, *, paragraphs: bool = False, on_error: OnError = "stop") -> None:
        check_on_error(on_error)
        self.skipped = Skipped()
        self._files: list[tuple[Path, Bytes]] = []
        places: list[tuple[int, int, int]] = []  # file, offset, length
        try:
            for file in matching_files(path, "text files"):
                content = open_bytes(file)
                found, problem = _places(file, content, paragraphs)
                if problem is None:
                    places += [(len(self._files), *place) for place in found]
                    self._files.append((file, content))
                elif on_error == "stop":
                    raise DataError(f"{problem}; repair the file, or leave such files out", advice="skip")
                else:
                    self.skipped.add(problem)
        finally:
            warn_of(self.skipped, "files")
        if not places:
            raise DataError(f"{path} holds no document")
        self._places = np.array(places, dtype=np.int64)
        self._numbered = paragraphs

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Document:
        if not 0 <= index < len(self):
            raise IndexError(index)
        number, offset, length = self._places[index].tolist()
        file, content = self._files[number]
        name = f"{file}@{offset}" if self._numbered else str(file)
        return Document(name, content.read(offset, length).decode("utf-8").strip("\n"))

    def __iter__(self) -> Iterator[Document]:
        return (self[index] for index in range(len(self)))


def _places(file: Path, content: Bytes, paragraphs: bool) -> tuple[list[tuple[int, int]], str | None]:
    """Offset and length of each document of a file, or what is wrong with it."""
    found: list[tuple[int, int]] = []
    start, offset, number = 0, 0, 0
    try:
        for number, line in enumerate(content.lines(), start=1):
            try:
                blank = not line.decode("utf-8").strip()
            except UnicodeDecodeError:
                return [], f"{file}:{number}: not valid UTF-8"
            if paragraphs and blank:
                if offset > start:
                    found.append((start, offset - start))
                start = offset + len(line)
            offset += len(line)
    except unreadable() as error:
        return [], f"{file} cannot be read after line {number}: {error}"
    if offset > start:
        found.append((start, offset - start))
    if not paragraphs and isinstance(content, InMemory) and not content.content.strip():
        found = []
    return found, None if found else f"{file} is empty"
