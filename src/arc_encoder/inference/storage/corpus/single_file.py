"""Vectors of many documents in one safetensors file, for programs that want no more than tensors.

The file holds `vectors` (all vectors, decoder width) and `offsets` (documents + 1): document i owns rows offsets[i] …
offsets[i + 1] − 1. Its metadata names documents, decoder and factor. All vectors are held in memory until it is written;
a store (`VectorStore`) is for more than that.
"""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from arc_encoder.core.atomic import atomic_path, check_writable
from arc_encoder.core.errors import ConfigError, DataError, writing
from arc_encoder.data.records import Document
from arc_encoder.inference import Compressor
from arc_encoder.inference.storage.corpus.corpus import Outcome

BATCHES = 8  # of a block, inside which documents are sorted by length so that little is padded


def check_output(output: Path, *, overwrite: bool) -> None:
    """Refuse a file that exists or cannot be written, before hours of work.

    Raises:
        ConfigError: with the reason.
    """
    if output.exists() and not overwrite:
        raise ConfigError(f"{output} exists already; choose another name, or let it be overwritten", advice="overwrite")
    with writing(output):
        check_writable(output.parent)


def write_single_file(
    compressor: Compressor,
    documents: Iterator[Document],
    output: Path,
    factor: float | None,
    batch_size: int,
    *,
    skip: bool = False,
) -> Outcome:
    """Compress documents into one file.

    Returns:
        what became of the documents.

    Raises:
        DataError: a document that cannot be compressed, an id that comes twice, or the file cannot be written.
    """
    vectors: list[Tensor] = []
    ids: dict[str, None] = {}
    failed: list[tuple[str, str]] = []
    while block := list(itertools.islice(documents, batch_size * BATCHES)):
        problems = compressor.problems([document.text for document in block])
        before = {*ids}
        for place, document in enumerate(block):
            if document.id in before:
                problems[place] = "has the id of one before it"
            before.add(document.id)
        if problems and not skip:
            place, reason = next(iter(problems.items()))
            raise DataError(f"document {block[place].id!r} {reason}; repair it, or let such be skipped", advice="skip")
        for place, reason in problems.items():
            warnings.warn(f"document {block[place].id!r} {reason}; left out", stacklevel=2)
            failed.append((block[place].id, reason))
        sound = [document for place, document in enumerate(block) if place not in problems]
        vectors += compressor.compress([document.text for document in sound], factor=factor, batch_size=batch_size)
        ids.update(dict.fromkeys(document.id for document in sound))
    if not vectors:
        raise DataError("none of the documents could be compressed")
    offsets = torch.tensor([0, *map(len, vectors)]).cumsum(0)
    metadata = {
        "ids": json.dumps(list(ids)),
        "decoder": compressor.decoder_name,
        "factor": str(factor or compressor.pooling_factor),
    }
    hint = "make room, or choose another file"
    with writing(output, hint, kind=DataError, errors=(SafetensorError,)), atomic_path(output) as part:
        save_file({"vectors": torch.cat(vectors), "offsets": offsets}, part, metadata=metadata)
    return Outcome(len(ids), vectors=int(offsets[-1]), failed=failed)
