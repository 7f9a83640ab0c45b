"""Reading bytes of a file at any place, also of one that is compressed.

A plain file is read in place. A compressed one is unpacked once: into memory if it is small,
into the cache if it is large.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol, TextIO, cast

from arc_encoder.core.errors import DataError, needing
from arc_encoder.data.sources.files.cache import build_once, state_of

IN_MEMORY = 16 * 2**20  # most bytes of an unpacked file that are kept in memory
BLOCK = 2**20


class Bytes(Protocol):
    """Bytes that can be read in order and at any place."""

    def lines(self) -> Iterator[bytes]:
        """All lines in order, each with its end."""

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` on."""


class InMemory:
    """Bytes in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def lines(self) -> Iterator[bytes]:
        return iter(io.BytesIO(self.content))

    def read(self, offset: int, length: int) -> bytes:
        return self.content[offset : offset + length]


class OnDisk:
    """A file that is read piece by piece; worker processes open it for themselves.

    Reading by position needs no memory for what was read before, unlike a memory map, whose pages
    count as the process's own.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.state = path, state_of(path)
        self._opened: tuple[int, int] | None = None  # process, descriptor

    def lines(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            yield from file

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from a place.

        Raises:
            DataError: the file is not what it was when this was made.
        """
        return os.pread(self._descriptor(), length, offset)

    def _descriptor(self) -> int:
        if self._opened is None or self._opened[0] != os.getpid():
            try:
                now = state_of(self.path)
            except OSError as error:
                raise DataError(
                    f"{self.path} cannot be opened again ({error.strerror}); put it back and start again"
                ) from error
            if now != self.state:
                raise DataError(f"{self.path} was changed since it was read first; start the command again")
            self._opened = (os.getpid(), os.open(self.path, os.O_RDONLY))
        return self._opened[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}


def open_bytes(path: Path) -> Bytes:
    """The bytes of a file, unpacked by its ending.

    Raises:
        DataError: a damaged file, or no room to unpack it.
    """
    if path.suffix.lower() not in (".gz", ".zst"):
        return OnDisk(path)
    with unpacking(path) as stream:
        start = read_all(path, stream, max_bytes=IN_MEMORY + 1)
    if len(start) <= IN_MEMORY:
        return InMemory(start)

    def unpack(target: Path) -> None:
        with unpacking(path) as stream, target.open("wb") as file:
            done = 0
            while block := read_all(path, stream, max_bytes=BLOCK, lines_before=done):
                file.write(block)
                done += block.count(b"\n")

    return OnDisk(build_once(path, "unpacked", unpack))


def read_all(path: Path, stream: IO[bytes], *, max_bytes: int, lines_before: int = 0) -> bytes:
    """Up to `max_bytes` bytes of a stream.

    Raises:
        DataError: the file is damaged; says after which line.
    """
    content = bytearray()
    read = getattr(stream, "read1", stream.read)  # what was unpacked before the damage is given, and not lost with it
    try:
        while len(content) < max_bytes and (block := read(min(BLOCK, max_bytes - len(content)))):
            content += block
    except unreadable() as error:
        line = lines_before + content.count(b"\n")
        raise DataError(f"{path} cannot be read after line {line}: {error}") from error
    return bytes(content)


def unpacking(path: Path) -> IO[bytes]:
    """A file opened for reading bytes in order, decompressed by its ending.

    Raises:
        DataError: the library for it is missing.
    """
    if path.suffix.lower() == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if path.suffix.lower() == ".zst":
        with needing(f"{path} is compressed with Zstandard", "zstd", DataError):
            import zstandard
        return cast(
            "IO[bytes]",
            zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True, closefd=True),
        )
    return path.open("rb")


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a file in order, decompressed by its ending; it is opened when the first is asked for."""
    with unpacking(path) as stream:
        yield from stream


def open_text(path: Path) -> TextIO:
    """Open a text file for reading, decompressing by its ending.

    Bytes that are not UTF-8 become lone surrogates, so that only their line is bad and not the whole file.
    """
    return io.TextIOWrapper(unpacking(path), encoding="utf-8", errors="surrogateescape")


def unreadable() -> tuple[type[Exception], ...]:
    """What reading a damaged file raises; zstandard has an error of its own."""
    zstandard = sys.modules.get("zstandard")
    return (OSError, EOFError, zlib.error, *([zstandard.ZstdError] if zstandard else []))
