"""Several processes in one folder, all of the same settings: an evaluation's, which divide its parts among them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from arc_encoder.core.errors import ConfigError, writing
from arc_encoder.core.run_folder.record import changed_settings, read_config

AT_WORK, DOOR = ".at_work", ".at_work.lock"
SHOWN = 6


@contextmanager
def share_run_folder(
    folder: Path, settings: Mapping[str, Any], record: Callable[[], None], *, own: Sequence[str] = ()
) -> Iterator[None]:
    """Within it only processes of these settings may work in a folder, which is made if it is not there.

    Args:
        record: writes them to the folder's config.yaml, against which others are held; called when this process is let in.

    Raises:
        ConfigError: processes of other settings are at work there, or the folder cannot be written.
    """
    with writing(f"the run's folder {folder}", "choose another", advice="run-folder"):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / AT_WORK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with FileLock(folder / DOOR):  # one enters at a time
            if not _alone(descriptor) and (differ := _differences(folder, settings, own)):
                raise ConfigError(
                    f"another process is at work in {folder} with other settings ({differ}); wait until it ends, stop it, "
                    "or choose another folder",
                    advice="run-folder",
                )
            fcntl.flock(descriptor, fcntl.LOCK_SH)  # the system lets go of it however this process ends
            record()
        yield
    finally:
        os.close(descriptor)


def _alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _differences(folder: Path, settings: Mapping[str, Any], own: Sequence[str]) -> str:
    """The first settings that differ, one behind the other; empty if none does."""
    changed = [
        f"{key} {values}" for key, values in changed_settings(read_config(folder), settings, without=own).items()
    ]
    return ", ".join(changed[:SHOWN]) + (f", and {len(changed) - SHOWN} more" if len(changed) > SHOWN else "")
