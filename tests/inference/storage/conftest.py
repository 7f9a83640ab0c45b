"""Compressed documents of random numbers, and a compressor with random weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from arc_encoder.inference.encoding.contexts import CompressedContext, Origin, source_digest
from tests.inference.conftest import compressor, folder, language_model

__all__ = ["compressor", "folder", "language_model"]

Made = Callable[..., CompressedContext]


@pytest.fixture
def made() -> Made:
    """A document of so many vectors, whose numbers hang on its text."""

    def make(text: str, count: int = 3, *, factor: float = 4.0, **other: str) -> CompressedContext:
        generator = torch.Generator().manual_seed(len(text) + sum(map(ord, text)))
        origin = {"encoder": "e" * 64, "decoder": "d" * 64, "decoder_name": "d", **other}
        vectors = torch.randn(count, 8, generator=generator)
        return CompressedContext(vectors, Origin(source=source_digest(text), factor=factor, tokens=4 * count, **origin))

    return make
