"""Where the good lines of a JSONL file are, found in one pass that needs no memory for what it read.

The index of a large file is kept in the cache, so a training starts at once the next time.
"""

from __future__ import annotations

import json
import struct
from array import array
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from arc_encoder.core.errors import DataError
from arc_encoder.data.sources.files.cache import build_once
from arc_encoder.data.sources.files.packed import Bytes, InMemory, OnDisk, unreadable

LARGE = 64 * 2**20  # bytes of a file from which its index is kept in the cache
FLUSH = 2**16  # numbers of an index that are held before they are written
COLUMNS = 3  # offset, length, number of the line
ROW = struct.Struct(f"={COLUMNS}q")
SHOWN = 3  # bad lines that are described

Check = Callable[[Mapping[str, Any]], str | None]


@dataclass
class Skipped:
    """Lines or records that were left out."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, description: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(description)


@dataclass(frozen=True)
class LineIndex:
    """Good lines of one file.

    Attributes:
        places: offset in bytes, length in bytes, and number from 1 on, of each good line, as int64.
        count: number of good lines N.
    """

    places: Bytes
    count: int
    skipped: Skipped

    def place(self, number: int) -> tuple[int, int, int]:
        """Offset, length and line number of good line `number`."""
        found: tuple[int, int, int] = ROW.unpack(self.places.read(number * ROW.size, ROW.size))
        return found


def parse_line(line: bytes) -> tuple[str | None, dict[str, Any]]:
    """What is wrong with a line, or None, and the object in it."""
    line = line.removeprefix(BOM_UTF8)  # as some editors write it in front of a file
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return _parse(line.decode("utf-8", "surrogateescape"), whole=False)
    return _parse(text, whole=True)


def index_lines(path: Path, content: Bytes, check: Check, key: str, *, limit: int | None, stop: bool) -> LineIndex:
    """The index of a file.

    Args:
        content: its bytes, unpacked.
        check: names what is wrong with a record, or returns None.

    Raises:
        DataError: a bad line, where `stop` says so; a file that cannot be read.
    """
    if not isinstance(content, OnDisk) or content.state[0] < LARGE:
        found, skipped = array("q"), Skipped()
        for offset, length, number, _ in good_lines(path, content.lines(), check, skipped, limit=limit, stop=stop):
            found.extend((offset, length, number))
        return LineIndex(InMemory(found.tobytes()), len(found) // COLUMNS, skipped)

    def make(target: Path) -> None:
        skipped = Skipped()
        bar = tqdm(total=content.state[0], unit="B", unit_scale=True, desc=f"reading {path.name}", leave=False)
        with target.open("wb") as file, bar:
            buffer = array("q")
            for offset, length, number, _ in good_lines(path, content.lines(), check, skipped, limit=limit, stop=stop):
                buffer.extend((offset, length, number))
                bar.update(offset + length - bar.n)
                if len(buffer) >= FLUSH:
                    buffer.tofile(file)
                    del buffer[:]
            buffer.tofile(file)
            trailer = json.dumps([skipped.count, skipped.first]).encode()
            trailer += b" " * (-len(trailer) % 8)
            file.write(trailer + len(trailer).to_bytes(8, "little"))

    index = _read_index(build_once(content.path, f"index of {key}, limit {limit}", make))
    if stop and index.skipped.count:
        raise DataError(_message(index.skipped.first[0]), advice="skip-lines")
    return index


def _read_index(file: Path) -> LineIndex:
    """An index from the cache: numbers, what was skipped as JSON, and the length of that."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        opened.seek(size - 8)
        length = int.from_bytes(opened.read(8), "little")
        opened.seek(size - 8 - length)
        count, first = json.loads(opened.read(length))
    return LineIndex(OnDisk(file), (size - 8 - length) // ROW.size, Skipped(count, first))


def good_lines(
    path: Path, lines: Iterable[bytes], check: Check, skipped: Skipped, *, limit: int | None = None, stop: bool
) -> Iterator[tuple[int, int, int, dict[str, Any]]]:
    """Offset, length and number of each line of a file that is sound, and the object in it; `skipped` counts the others.

    Raises:
        DataError: a bad line, where `stop` says so; a file that cannot be read.
    """
    offset, number, good = 0, 0, 0
    try:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                problem, record = parse_line(line)
                problem = problem or check(record)
                if problem is None:
                    yield offset, len(line), number, record
                    good += 1
                    if limit is not None and good >= limit:
                        return
                elif stop:
                    raise DataError(_message(f"{path}:{number}: {problem}"), advice="skip-lines")
                else:
                    skipped.add(f"{path}:{number}: {problem}")
            offset += len(line)
    except unreadable() as error:
        raise DataError(f"{path} cannot be read after line {number}: {error}") from error


def _message(problem: str) -> str:
    return f"{problem}; repair the line, or leave such lines out"


def _parse(line: str, *, whole: bool) -> tuple[str | None, dict[str, Any]]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        return f"not valid JSON ({error.msg}, column {error.colno})", {}
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        return f"not usable JSON ({error})", {}
    escaped = "\\ud" in line or "\\uD" in line  # half of a surrogate pair may be written as an escape
    if not whole or (escaped and not _encodable(json.dumps(record, ensure_ascii=False))):
        return "not valid UTF-8 (a stray byte or half of a surrogate pair)", {}
    if not isinstance(record, dict):
        return f"expected a JSON object, found {type(record).__name__}", {}
    return None, record


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
