"""Records of JSONL files, plain, .gz or .zst, at any place and without holding them in memory.

A broken line is named with its file and number, and either stops the run or is skipped
and counted, as the configuration says.
"""

from __future__ import annotations

import glob
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from arc_encoder.core.errors import ConfigError, DataError, at_least
from arc_encoder.data.records import Document, Question
from arc_encoder.data.sources.fields import DocumentFields, QuestionFields, RecordSource, missing
from arc_encoder.data.sources.files.line_index import Check, LineIndex, Skipped, good_lines, index_lines, parse_line
from arc_encoder.data.sources.files.packed import Bytes, lines_of, open_bytes

OnError = Literal["stop", "skip"]


def list_files(pattern: str | Path) -> list[Path]:
    """Files of a path or glob pattern (`**` for any depth), sorted; none if nothing matches."""
    if Path(pattern).is_file():  # its name may hold brackets
        return [Path(pattern)]
    return sorted(Path(name) for name in glob.glob(str(pattern), recursive=True) if Path(name).is_file())


def matching_files(pattern: str | Path, what: str = "JSONL files (.jsonl, .jsonl.gz, .jsonl.zst)") -> list[Path]:
    """Files of a path or glob pattern, sorted.

    Raises:
        DataError: nothing matches.
    """
    found = list_files(pattern)
    if not found:
        raise DataError(f"no file matches {str(pattern)!r}; give a path or glob of {what}")
    return found


def read_jsonl(
    pattern: str | Path, required: tuple[str, ...], on_error: OnError = "stop", check: Check | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ("file:line", record) for each line that is an object with the required fields.

    Args:
        pattern: path or glob.
        required: fields that must be there and not empty.
        on_error: ``stop`` raises at the first bad line, ``skip`` warns with a count at the end.
        check: names what else is wrong with a record, or returns None.

    Raises:
        DataError: a bad line (with on_error=stop), or a file that cannot be read.
    """
    check_on_error(on_error)
    skipped = Skipped()

    def problem(record: Mapping[str, Any]) -> str | None:
        return missing(record, required) or (check(record) if check else None)

    try:
        for path in matching_files(pattern):
            for *_, number, record in good_lines(path, lines_of(path), problem, skipped, stop=on_error == "stop"):
                yield f"{path}:{number}", record
    finally:  # also when the reader stops early
        warn_of(skipped)


class _Lines:
    """Good lines of several files as one row."""

    def __init__(self, pattern: str, check: Check, key: str, *, on_error: OnError, limit: int | None = None) -> None:
        check_on_error(on_error)
        self.skipped = Skipped()
        self.files: list[tuple[Path, Bytes, LineIndex]] = []
        left = limit
        try:
            for path in matching_files(pattern):
                content = open_bytes(path)
                index = index_lines(path, content, check, key, limit=left, stop=on_error == "stop")
                self.files.append((path, content, index))
                self.skipped.count += index.skipped.count
                self.skipped.first = [*self.skipped.first, *index.skipped.first][:3]
                if left is not None:
                    left -= index.count
                    if left <= 0:
                        break
        finally:
            warn_of(self.skipped)
        self._ends = np.cumsum([index.count for _, _, index in self.files])

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, place: int) -> tuple[str, str, dict[str, Any]]:
        """File name, "file:line" and record."""
        if not 0 <= place < len(self):
            raise IndexError(place)
        number = int(np.searchsorted(self._ends, place, side="right"))
        path, content, index = self.files[number]
        offset, length, line = index.place(place - int(self._ends[number]) + index.count)
        problem, record = parse_line(content.read(offset, length))
        if problem is not None:
            raise DataError(f"{path}:{line} was sound when it was read first and is not now ({problem}); start again")
        return path.name, f"{path}:{line}", record


class JsonlDocuments(RecordSource[Document]):
    """Documents of JSONL files.

    Args:
        path: file or glob.
        text_field: field that holds the text; with dots for a nested one.
        on_error: what a broken line does: ``stop`` or ``skip``.

    Raises:
        DataError: nothing there, or a broken line.
    """

    def __init__(self, path: str, *, text_field: str = "text", on_error: OnError = "stop") -> None:
        fields = DocumentFields(text_field)
        rows = _Lines(path, fields.problem, fields.key, on_error=on_error)
        super().__init__(path, "document", rows, fields.document)


class JsonlQuestions(RecordSource[Question]):
    """Questions of JSONL files, with fields question, answers (or answer), passages and perhaps instruction
    and document, the article that the passages were taken from.

    Args:
        path: file or glob.
        fields: other names for these fields, such as {"question": "query"}; with dots for nested ones.
        subset: name of the data set; None takes it from the file's name.
        limit: use only so many records.
        on_error: what a broken line does: ``stop`` or ``skip``.

    Raises:
        DataError: nothing there, or a broken line.
    """

    def __init__(
        self,
        path: str,
        *,
        fields: Mapping[str, str] | None = None,
        subset: str | None = None,
        limit: int | None = None,
        on_error: OnError = "stop",
    ) -> None:
        at_least(1, "", "; leave it out to use every record", limit=limit)
        read = QuestionFields(fields)
        rows = _Lines(path, read.problem, read.key, on_error=on_error, limit=limit)
        super().__init__(path, "question", rows, read.question, subset)


def check_on_error(on_error: str) -> None:
    """Raise `ConfigError` if this says neither to stop nor to skip."""
    if on_error not in ("stop", "skip"):
        raise ConfigError(f"on_error={on_error!r} is unknown; choose stop or skip")


def warn_of(skipped: Skipped, what: str = "lines") -> None:
    """Warn of what was left out, if anything was."""
    if skipped.count:
        warnings.warn(f"{skipped.count} bad {what} were skipped, first: {'; '.join(skipped.first)}", stacklevel=3)
