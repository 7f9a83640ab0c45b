"""Where indexes and unpacked files of large sources are kept, so that they are made once.

The folder is `ARC_CACHE`, or ~/.cache/arc_encoder. Each entry belongs to one file in one state:
its name holds the file's path, size and time of change. It may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from arc_encoder.core.atomic import atomic_path
from arc_encoder.core.errors import DataError, writing


def cache_folder() -> Path:
    """The folder, made if it is not there.

    Raises:
        DataError: it cannot be made or written.
    """
    folder = Path(os.environ.get("ARC_CACHE", "~/.cache/arc_encoder")).expanduser()
    hint = "large files need one: set the environment variable ARC_CACHE to another folder"
    with writing(f"the cache folder {folder}", hint, kind=DataError):
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    return folder


def state_of(path: Path) -> tuple[int, int]:
    """Size in bytes and time of the last change in nanoseconds: what tells that a file is another one now."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def build_once(path: Path, purpose: str, make: Callable[[Path], None]) -> Path:
    """The cached result of `make` for a file; processes that want the same wait for the first.

    Raises:
        DataError: the cache cannot be written.
    """
    key = f"{path.resolve()} {state_of(path)} {purpose}"
    target = cache_folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}-{path.name[:60]}"
    with FileLock(f"{target}.lock"):
        if not target.exists():
            try:
                with atomic_path(target) as fresh:
                    make(fresh)
            except OSError as error:
                raise DataError(
                    f"{path} needs room in the cache folder {target.parent}, which cannot be written ({error.strerror}); make "
                    "room, or set the environment variable ARC_CACHE to another folder"
                ) from error
    return target
