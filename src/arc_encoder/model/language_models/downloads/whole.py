"""Putting a folder in place atomically, once, however many processes want it."""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from arc_encoder.core.atomic import atomic_directory
from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.language_models.downloads.places import is_complete

LOG = logging.getLogger(__name__)
PATIENCE = 2.0  # seconds until a waiting process says that it waits


def build_folder(folder: Path, make: Callable[[Path], None], *, room: int, again: bool = False) -> Path:
    """`folder` with what `make` writes; nothing is done if it is there already.

    What is half finished is kept beside it, under a name of its own, and goes away when `make` fails or is interrupted,
    or, if the process was killed, when the next one starts.

    Args:
        room: bytes that this takes at most.

    Raises:
        CheckpointError: too little room on the disk, or a place that cannot be written.
    """
    if is_complete(folder) and not again:
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            if is_complete(folder) and not again:  # another process has made it meanwhile
                return folder
            check_disk_space(folder.parent, room)
            with atomic_directory(folder) as fresh:
                fresh.mkdir()
                make(fresh)
    except OSError as error:
        raise CheckpointError(_unwritable(folder, error)) from error
    return folder


def check_disk_space(folder: Path, room: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        CheckpointError: less than `room` bytes are free where `folder` is.
    """
    free = shutil.disk_usage(folder).free
    if free < room:
        raise CheckpointError(
            f"{folder} has {free / 1e6:,.0f} MB free, but {room / 1e6:,.0f} MB are needed; make room, or set the environment "
            "variable ARC_MODELS to a folder on another disk"
        )


def _lock(folder: Path) -> FileLock:
    """The lock of a folder, held."""
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        LOG.warning("another process is making %s; waiting for it", folder)
        lock.acquire()
    return lock


def _unwritable(folder: Path, error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return (
        f"{folder} cannot be written ({error.strerror or error}); {'make room' if full else 'give it leave to be written'}, or "
        "set the environment variable ARC_MODELS to another folder"
    )
