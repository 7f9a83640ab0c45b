"""What a codec learned, kept beside the vectors: written once by whoever adds first, read by everyone."""

from __future__ import annotations

from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from arc_encoder.core.atomic import atomic_path
from arc_encoder.core.errors import DataError, writing
from arc_encoder.inference.storage.codecs.codecs import Codec

FILE = "codec.safetensors"


def read_learned(folder: Path, codec: Codec) -> None:
    """Give a codec what it learned before, if anything.

    Raises:
        DataError: a damaged file.
    """
    file = folder / FILE
    if codec.fitted or not file.is_file():
        return
    try:
        codec.set_learned(load_file(file))
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"{file} cannot be read ({error}); without it the vectors of this store cannot be: bring it back from a copy"
        ) from error


def fit_once(folder: Path, codec: Codec, vectors: torch.Tensor) -> None:
    """Let a codec learn from the first vectors, unless this or another process has done so for this store.

    Raises:
        ConfigError: it cannot learn from these.
        DataError: nothing can be written.
    """
    if codec.fitted and (not codec.learned() or (folder / FILE).is_file()):
        return
    with FileLock(folder / f".{FILE}.lock"):
        read_learned(folder, codec)
        if not codec.fitted:
            codec.fit(vectors)
        if (folder / FILE).is_file():
            return
        what = f"what the codec learned, {folder / FILE},"
        with writing(what, kind=DataError, errors=(SafetensorError,)), atomic_path(folder / FILE) as part:
            save_file(codec.learned(), part)
