"""Vectors as the bytes of a safetensors file: what `/embed` answers, and what a client may send back.

The file holds one tensor, `tensor`, and says in its metadata where the vectors come from, as `CompressedContext.save`
does (whose files, with the tensor `vectors`, are read too). Nothing is unpickled.

Shape legend: M vectors, E decoder width.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import asdict
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from arc_encoder.core.errors import DataError
from arc_encoder.inference.encoding.contexts import KEY, VERSION, CompressedContext, Origin

TENSOR = "tensor"  # the key that services around ARC-Encoders read
HEADER_BYTES = 100_000  # longest header that is read


def to_bytes(context: CompressedContext) -> bytes:
    """A safetensors file with the vectors (M, E) and their origin."""
    about = {"version": VERSION, "fidelity": context.fidelity, **asdict(context.origin)}
    return save({TENSOR: context.vectors.contiguous()}, metadata={KEY: json.dumps(about)})


def from_base64(text: str, *, width: int) -> CompressedContext:
    """What a client sent in a JSON field.

    Args:
        text: base64 of a safetensors file.

    Raises:
        DataError: no base64, no such file, or a tensor that cannot be vectors of the decoder.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"the vectors are no base64 ({error})") from error
    return from_bytes(content, width=width)


def from_bytes(content: bytes, *, width: int) -> CompressedContext:
    """Vectors and origin of a safetensors file.

    Raises:
        DataError: another kind of file, or a tensor that cannot be vectors of the decoder.
    """
    try:
        tensors = load(content)
        length = int.from_bytes(content[:8], "little")
        if length > HEADER_BYTES:
            raise ValueError(f"a header of {length} bytes")
        header: dict[str, Any] = json.loads(content[8 : 8 + length])
        about: dict[str, Any] = json.loads((header.get("__metadata__") or {}).get(KEY, "null")) or {}
        version, fidelity = about.pop("version", None), about.pop("fidelity", None)
        origin = Origin(**about) if about else None
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"the vectors are no safetensors file of this format ({type(error).__name__})") from error
    if origin is None or version != VERSION:
        raise DataError(
            "the vectors do not say what made them; send the file that /embed answered, or that CompressedContext.save wrote"
        )
    _check_origin(origin)
    names = [name for name in (TENSOR, "vectors") if name in tensors]
    if len(names) != 1 or len(tensors) != 1:
        raise DataError(f"expected one tensor called {TENSOR!r}, but the file holds {len(tensors)}")
    vectors = tensors[names[0]]
    if vectors.dim() != 2 or vectors.shape[1] != width or not len(vectors):
        raise DataError(
            f"the vectors have shape {tuple(vectors.shape)}; expected (vectors, {width}), the width of the decoder's embeddings"
        )
    if not vectors.is_floating_point() or vectors.element_size() < 2:
        raise DataError(
            f"the vectors are {str(vectors.dtype).removeprefix('torch.')}; send float32, bfloat16 or float16, decoded "
            "where they were quantised"
        )
    if not bool(vectors.isfinite().all()):
        raise DataError("the vectors hold numbers that are not finite")
    return CompressedContext(vectors, origin, fidelity if isinstance(fidelity, float) else None)


def _check_origin(origin: Origin) -> None:
    texts = (origin.source, origin.encoder, origin.decoder_name)
    right = all(isinstance(each, str) for each in texts) and isinstance(origin.decoder, str | None)
    right = right and isinstance(origin.tokens, int) and not isinstance(origin.tokens, bool) and origin.tokens > 0
    if not right or not isinstance(origin.factor, int | float | None):
        raise DataError("what the vectors say of their origin is not of this format")
