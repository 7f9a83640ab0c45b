"""What may be put into a store: vectors of its models, of its width, finite, with the text that they were made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from arc_encoder.core.errors import CheckpointError, DataError
from arc_encoder.inference.encoding.contexts import CompressedContext, source_digest
from arc_encoder.inference.generation.prompts import unicode_problem
from arc_encoder.inference.storage.index import Entry

MODELS = ("encoder", "decoder", "decoder_name")  # what all vectors of a store have in common


def check_addable(
    documents: Mapping[str, CompressedContext], texts: Mapping[str, str], models: Mapping[str, Any], width: int | None
) -> None:
    """Refuse documents that a store cannot keep.

    Args:
        width: of its vectors; None while it has none.

    Raises:
        CheckpointError: vectors of other models.
        DataError: an id that is no text, vectors of another shape or that are not finite, or a text that is not the
            document's.
    """
    for id, context in documents.items():
        if not isinstance(id, str) or not id:
            raise DataError(f"the document id {id!r} is no text; expected a name that is not empty")
        if reason := unicode_problem(id):
            raise DataError(f"the document id {id!a} {reason}")
        differ = [name for name in MODELS if getattr(context.origin, name) != models[name]]
        if differ:
            raise CheckpointError(
                f"document {id!r} was compressed by or for another {' and '.join(differ)} than this store's"
            )
        vectors = context.vectors
        if vectors.ndim != 2 or not len(vectors):
            raise DataError(
                f"document {id!r} has vectors of shape {tuple(vectors.shape)}; expected (positions, width), one at least"
            )
        width = vectors.shape[1] if width is None else width
        if vectors.shape[1] != width:
            raise DataError(f"document {id!r} has vectors of width {vectors.shape[1]}, but the store's have {width}")
        if not vectors.isfinite().all():
            raise DataError(f"document {id!r} has vectors that are not finite (NaN or infinite); compress it again")
        if id in texts and source_digest(texts[id]) != context.origin.source:
            raise DataError(f"document {id!r}: the text that is to be kept is not the one that was compressed")


def faults_of(entry: Entry, vectors: Tensor) -> list[str]:
    """What is wrong with a document as it was read back, a line each."""
    faults = []
    if len(vectors) != entry.count:
        faults.append(f"{entry.id}: {entry.shard} has {len(vectors)} of its {entry.count} vectors")
    elif not vectors.isfinite().all():
        faults.append(f"{entry.id}: vectors that are not finite")
    if entry.text is not None and source_digest(entry.text) != entry.source:
        faults.append(f"{entry.id}: its text is not the one that was compressed")
    return faults
