"""Beginnings of prompts, by which those that were read before are known: a document that is asked again is not read again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch

from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.inference.serving.prompts.prompt import Run, length_of

Key = tuple[tuple[int, ...] | str, ...]


def beginning(runs: Sequence[Run]) -> list[Run]:
    """The runs up to the last document, which others may share; nothing where no text follows or there is none."""
    last = max((place for place, run in enumerate(runs) if isinstance(run, CompressedContext)), default=-1)
    return list(runs[: last + 1]) if 0 <= last < len(runs) - 1 and length_of(runs[last + 1 :]) else []


def key_of(runs: Sequence[Run]) -> Key:
    """What tells one beginning from another: its ids, and the numbers of its vectors.

    Not what vectors say of themselves: a client may send any.
    """
    return tuple(_digest(run) if isinstance(run, CompressedContext) else tuple(run) for run in runs)


def _digest(context: CompressedContext) -> str:
    content = context.vectors.detach().cpu().contiguous().view(torch.uint8).numpy()
    about = f"{tuple(context.vectors.shape)}{context.vectors.dtype}".encode()
    return hashlib.sha256(about + content.tobytes()).hexdigest()
