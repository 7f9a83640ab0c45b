"""A folder of a compressor that is written whole or not at all, and recovered after a kill."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from arc_encoder.errors import CheckpointError
from arc_encoder.training.checkpoint_files import sync_folder


def write_whole(folder: Path, write: Callable[[Path], None]) -> None:
    """Write to a neighbouring folder first, then rename, so that `folder` is never half-written.

    Args:
        folder: what is made, or replaced.
        write: writes the files to the folder that it is given, which is not there yet.

    Raises:
        CheckpointError: the disk is full, or the folder cannot be written.
    """
    fresh, old = _neighbours(folder)
    try:
        finish_swap(folder)
        write(fresh)
        for file in fresh.iterdir():
            _sync(file)
        sync_folder(fresh)
        if folder.exists():
            os.replace(folder, old)
        os.replace(fresh, folder)
        sync_folder(folder.parent)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        kept = "the earlier one there is untouched" if folder.exists() else "nothing was left there"
        raise CheckpointError(
            f"the trained compressor could not be written to {folder} ({error}); {kept}. Make room, then go on from the "
            "last checkpoint with arc-train --resume <run>: nothing is trained again, and it is written once more"
        ) from error
    shutil.rmtree(old, ignore_errors=True)


def finish_swap(folder: Path) -> None:
    """Clear up after an export that was killed, whenever that was: `folder` is whole, or was never there."""
    fresh, old = _neighbours(folder)
    if old.exists() and not folder.exists():  # killed between the two renames, when the fresh one was complete
        os.replace(fresh if fresh.exists() else old, folder)
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _neighbours(folder: Path) -> tuple[Path, Path]:
    return folder.with_name(folder.name + ".part"), folder.with_name(folder.name + ".old")


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
