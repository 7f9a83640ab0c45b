"""Files and directories that are written atomically: to a neighbouring name first, synced, then renamed."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

UNFINISHED = ".part"


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A path beside `target` to write a file at. It gets the name of `target` if the block ends well, and is removed otherwise.

    No other process writes there, not even on another machine. The parent directory is made if it is missing. What a
    process of this machine left that was killed in such a block is removed.

    Raises:
        OSError: it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    own = f".{target.name}.{socket.gethostname()}."
    _remove_abandoned(target.parent, own)
    fresh = target.with_name(f"{own}{os.getpid()}{UNFINISHED}")
    try:
        yield fresh
        readable_as_usual([fresh])
        _sync(fresh)
        os.replace(fresh, target)
    finally:
        fresh.unlink(missing_ok=True)
    sync_directory(target.parent)


@contextmanager
def atomic_file(target: Path, mode: str = "wb", **options: Any) -> Iterator[IO[Any]]:
    """An open file that takes the place of `target` if the block ends well, and is removed otherwise.

    Args:
        target: the final name.
        mode: ``wb`` or ``w``.
        options: further arguments of `open`.

    Raises:
        OSError: it cannot be written.
    """
    with atomic_path(target) as fresh, fresh.open(mode, **options) as file:
        yield file


def write_text_atomically(target: Path, text: str) -> None:
    """Make or replace a text file, UTF-8.

    Raises:
        OSError: it cannot be written.
    """
    with atomic_file(target, "w", encoding="utf-8") as file:
        file.write(text)


@contextmanager
def atomic_directory(target: Path) -> Iterator[Path]:
    """A path beside `target`, for the block to make a directory at, which then takes the place of `target`.

    If the block fails, what was at `target` stays. If the process is killed, `recover_directory` clears up. One process
    writes a directory at a time.

    Raises:
        OSError: it cannot be written.
    """
    fresh, old = _neighbours(target)
    recover_directory(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield fresh
        readable_as_usual(fresh.rglob("*.safetensors"))
        for file in fresh.rglob("*"):
            if file.is_file():
                _sync(file)
        sync_directory(fresh)
        if target.exists():
            os.replace(target, old)
        os.replace(fresh, target)
        sync_directory(target.parent)
    except (Exception, KeyboardInterrupt):
        shutil.rmtree(fresh, ignore_errors=True)
        if old.exists() and not target.exists():
            os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def recover_directory(target: Path) -> None:
    """Clear up after a writer that was killed, whenever that was: `target` is whole, or was never there."""
    fresh, old = _neighbours(target)
    if old.exists() and not target.exists():  # killed between the two renames, when the fresh one was complete
        os.replace(fresh if fresh.exists() else old, target)
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def check_writable(folder: Path) -> None:
    """Try whether something can be made in `folder`, or, if it is not there yet, in the first folder above it that is.

    Raises:
        OSError: it cannot; rights alone do not say it, of root or on a full disk.
    """
    place = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    if not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{place} is no folder")
    tempfile.TemporaryDirectory(dir=place).cleanup()


def readable_as_usual(files: Iterable[Path]) -> None:
    """Let others read files as the user's umask says; safetensors writes them for their owner alone."""
    umask = os.umask(0)
    os.umask(umask)
    for file in files:
        file.chmod(0o666 & ~umask)


def sync_directory(folder: Path) -> None:
    """Put the names of a directory on the disk, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems know no such call; the rename itself was done
        pass
    finally:
        os.close(descriptor)


def _neighbours(target: Path) -> tuple[Path, Path]:
    """Hidden names, so that a user's own `<name>.old` is left alone."""
    return target.with_name(f".{target.name}{UNFINISHED}"), target.with_name(f".{target.name}.old")


def _remove_abandoned(folder: Path, prefix: str) -> None:
    """Remove unfinished files of processes that are no more."""
    for file in folder.glob(f"{glob.escape(prefix)}*{UNFINISHED}"):
        process = file.name.removeprefix(prefix).removesuffix(UNFINISHED)
        if process.isdecimal() and not _alive(int(process)):
            file.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def sha256_of(file: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
