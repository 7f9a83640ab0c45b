"""Writing a trained compressor to its directory, with an error that says how to continue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from arc_encoder.core.atomic import atomic_directory
from arc_encoder.core.errors import CheckpointError


def write_compressor(folder: Path, write: Callable[[Path], None]) -> None:
    """Make or replace the directory of a compressor, atomically.

    Raises:
        CheckpointError: the disk is full, or the directory cannot be written.
    """
    try:
        with atomic_directory(folder) as fresh:
            write(fresh)
    except (OSError, SafetensorError) as error:
        kept = "the earlier one there is untouched" if folder.exists() else "nothing was left there"
        raise CheckpointError(
            f"the trained compressor could not be written to {folder} ({error}); {kept}. Make room, then resume the run "
            "from its last checkpoint: nothing is trained again, and it is written once more",
            advice="resume",
            checkpoint=Path(folder).parent,
        ) from error
