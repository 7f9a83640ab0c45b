"""Checkpoint files: written atomically, checked before they are trusted, found newest first.

A checkpoint is either one file (a zip archive of torch, with a checksum for every entry) or, of a
sharded training, a folder that its writer finishes with `meta.pt`.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from arc_encoder.core.atomic import UNFINISHED, atomic_file
from arc_encoder.core.errors import CheckpointError

SUFFIX, DAMAGED = ".ckpt", ".damaged"
LAST_OF_FOLDER = "meta.pt"  # a sharded checkpoint's writer ends with it


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes next to the final place, makes sure that it is on the disk, then renames.

    Lightning's own writer holds the whole checkpoint in memory twice and moves a file from the
    system's temporary folder, which copies, and may stop in the middle, where that is another disk.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write `checkpoint`, or leave everything as it was.

        Raises:
            CheckpointError: it could not be written; names the last good one.
        """
        if storage_options is not None:
            raise TypeError("storage_options are not supported: checkpoints are written to a folder of this machine")
        target = Path(path)
        try:
            with atomic_file(target) as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:  # torch hides the system's error behind a RuntimeError
            cause = error if isinstance(error, OSError) else error.__context__
            if not isinstance(cause, OSError):
                raise
            raise _not_written(target, cause) from error


def sweep_unfinished(folder: Path) -> None:
    """Remove what writers that were killed left behind."""
    for file in folder.glob(f".*{UNFINISHED}"):
        file.unlink(missing_ok=True)


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder by the time they were written, newest first."""
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            found.append((path.lstat().st_mtime_ns, path.name, path))
        except FileNotFoundError:  # another process of the run has just removed it
            continue
    return [path for *_, path in sorted(found, reverse=True)]


def remove(path: Path) -> None:
    """Delete a checkpoint, file or folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def validate_checkpoint(path: Path) -> str | None:
    """What is wrong with a checkpoint, in a few words; None if every checksum is right.

    Reads the whole file once. `torch.load` alone would take flipped bytes for weights.
    """
    if path.is_dir():
        return (
            validate_checkpoint(path / LAST_OF_FOLDER)
            if (path / LAST_OF_FOLDER).exists()
            else f"{LAST_OF_FOLDER} is missing"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.testzip()
        if entry is not None:
            return f"the checksum of {entry} is wrong"
        torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except zipfile.BadZipFile:
        size = path.stat().st_size
        return "the file is empty" if size == 0 else f"the file of {size} bytes is cut off or no checkpoint at all"
    except Exception as error:  # whatever a corrupted file makes zlib, pickle and torch raise
        return " ".join(str(error).split())[:200] or type(error).__name__
    return None


def checkpoint_step(path: Path) -> int:
    """Optimizer steps after which a sound checkpoint was written.

    Raises:
        CheckpointError: it is none of a training.
    """
    file = path / LAST_OF_FOLDER if path.is_dir() else path
    content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    if not isinstance(content, dict) or "global_step" not in content or "loops" not in content:
        raise CheckpointError(
            f"{path} is no checkpoint of a training: it holds weights alone; to start from weights use model.init_from"
        )
    return int(content["global_step"])


def newest_valid(folder: Path) -> Path | None:
    """The newest sound checkpoint of a folder."""
    return next((path for path in list_checkpoints(folder) if validate_checkpoint(path) is None), None)


def _not_written(target: Path, error: OSError) -> CheckpointError:
    good = newest_valid(target.parent)
    kept = f"the last good one is {good}; make room and resume" if good else "there is no earlier one; make room"
    return CheckpointError(
        f"the checkpoint {target} could not be written ({error.strerror}); {kept}",
        advice="resume" if good else "run-folder",
        checkpoint=good,
    )
