"""How vectors are kept: in floating point, or in int8 with a scale a vector.

Shape legend: N vectors, E decoder width.

To add one: subclass `Codec`, here or in a file of its own (`product_codec.py`). Its name and settings are saved in the store's `store.json`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.registry import Registered

DTYPES = ("float32", "bfloat16", "float16")


class Codec(Registered, ABC, kind="codec"):
    """Vectors ↔ tensors whose rows are kept in shards."""

    @abstractmethod
    def encode(self, vectors: Tensor) -> dict[str, Tensor]:
        """Vectors (N, E) → tensors by name, each with N rows."""

    @abstractmethod
    def decode(self, rows: Mapping[str, Tensor]) -> Tensor:
        """The same rows of each tensor → vectors (rows, E)."""

    def decode_parts(self, parts: Sequence[Mapping[str, Tensor]]) -> list[Tensor]:
        """The rows of several documents, decoded together."""
        if not parts:
            return []
        counts = [len(next(iter(part.values()))) for part in parts]
        joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        return list(self.decode(joined).split(counts))

    @property
    def fitted(self) -> bool:
        """Whether vectors can be kept; what has to learn first from the first ones is not."""
        return True

    def fit(self, vectors: Tensor) -> None:  # most have nothing to learn
        """Learn from vectors (N, E) how such are best kept."""

    def learned(self) -> dict[str, Tensor]:
        """What `fit` learned; a store keeps it beside the vectors."""
        return {}

    def set_learned(self, tensors: Mapping[str, Tensor]) -> None:
        """Take what `learned` gave before."""


class FloatCodec(Codec):
    """Vectors as they are, in a dtype.

    Args:
        dtype: float32, bfloat16 or float16.

    Raises:
        ConfigError: another dtype.
    """

    def __init__(self, dtype: str = "bfloat16") -> None:
        if dtype not in DTYPES:
            raise ConfigError(f"codec: dtype={dtype!r} is unknown; choose one of {', '.join(DTYPES)}")
        self.dtype = dtype

    def encode(self, vectors: Tensor) -> dict[str, Tensor]:
        kept = vectors.to(getattr(torch, self.dtype))
        if not kept.isfinite().all():
            raise ConfigError(f"codec: a vector does not fit {self.dtype}; choose bfloat16 or float32")
        return {"vectors": kept}

    def decode(self, rows: Mapping[str, Tensor]) -> Tensor:
        return rows["vectors"]

    def decode_parts(self, parts: Sequence[Mapping[str, Tensor]]) -> list[Tensor]:
        return [part["vectors"] for part in parts]  # as they are in the memory-mapped file, not copied


class Int8Codec(Codec):
    """Each vector in whole numbers from −127 to 127, with its largest value as scale."""

    def encode(self, vectors: Tensor) -> dict[str, Tensor]:
        scale = vectors.float().abs().amax(-1, keepdim=True).clamp(min=1e-12) / 127
        return {"vectors": (vectors.float() / scale).round().to(torch.int8), "scale": scale}

    def decode(self, rows: Mapping[str, Tensor]) -> Tensor:
        return rows["vectors"].float() * rows["scale"]
