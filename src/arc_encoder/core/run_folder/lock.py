"""One process a run's folder: a second one that would write into it is refused before it has written anything."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from arc_encoder.core.errors import ConfigError, writing

NAME = ".lock"  # the system lets go of it when its holder ends, however that happens
RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # what launchers tell the processes of one run


@contextmanager
def lock_run_folder(folder: Path) -> Iterator[None]:
    """Within it nobody else may write into the run's folder, which is made if it is not there.

    Raises:
        ConfigError: another command is at work there, or the folder cannot be written.
    """
    with writing(f"the run's folder {folder}", "choose another", advice="run-folder"):
        folder.mkdir(parents=True, exist_ok=True)
        lock = _acquired(folder)
    try:
        yield
    finally:
        lock.release()


def check_unlocked(folder: Path) -> None:
    """Refuse a folder in which another command is at work; nothing is written.

    Raises:
        ConfigError: as `lock_run_folder`.
    """
    if not (folder / NAME).is_file() or any(os.environ.get(name, "0") != "0" for name in RANKS):
        return  # further processes of a run find the lock of its first one
    with suppress(OSError):  # whoever cannot write there is told so later
        _acquired(folder).release()


@contextmanager
def lock_output(target: Path, lock: Path | None = None) -> Iterator[None]:
    """Within it nobody else may make the file or folder `target`; afterwards no lock is left.

    Args:
        lock: file that is locked, by default a hidden one beside `target`; its folder is made if it is missing.

    Raises:
        ConfigError: another process is making it, or nothing can be written there.
    """
    place = lock or target.with_name(f".{target.name}{NAME}")
    with writing(target):
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not place.exists() or place.stat().st_ino != os.fstat(descriptor).st_ino:
            raise BlockingIOError  # whoever held it has just removed it, and the next one may hold another
    except BlockingIOError as error:
        os.close(descriptor)
        raise ConfigError(f"another process is making {target}; wait until it ends, or choose another place") from error
    try:
        yield
    finally:
        place.unlink(missing_ok=True)
        os.close(descriptor)


def _acquired(folder: Path) -> FileLock:
    lock = FileLock(folder / NAME)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ConfigError(
            f"another process is at work in {folder}; wait until it ends, stop it, or choose another folder",
            advice="run-folder",
        ) from error
    return lock
