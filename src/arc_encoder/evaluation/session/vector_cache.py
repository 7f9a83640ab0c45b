"""Remembering what was made of a context, so that one that comes again is not encoded again.

Shape legend: C contexts, L tokens, M vectors, E decoder width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.lru import Lru
from arc_encoder.core.segments import TaskToken

Key = tuple[bytes, str, TaskToken, float | None]


class VectorCache(nn.Module):
    """A trained compressor with a memory of its newest vectors; gradients do not pass.

    Everything else is asked of the compressor itself.

    Args:
        limit_gib: memory for vectors, on the device where they are made; those unused for longest go first.
        precision: dtype in which the compressor computes, as mixed precision does; its weights stay as they are.

    Raises:
        ConfigError: a limit below 0.
    """

    def __init__(
        self, compressor: nn.Module, *, limit_gib: float = 1.0, precision: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        if limit_gib < 0:
            raise ConfigError(f"a memory of {limit_gib} GiB is not possible; 0 remembers nothing")
        self.compressor, self.precision = compressor, precision
        self.encoded = self.recalled = 0  # contexts
        self._kept: Lru[Key, Tensor] = Lru(limit_gib * 2**30, lambda vectors: vectors.nbytes)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("compressor"), name)

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """Within it nothing is recalled or kept, as if every context came for the first time."""
        kept, self._kept = self._kept, Lru(0)
        try:
            yield
        finally:
            self._kept = kept

    @torch.no_grad()
    def forward(
        self,
        context_ids: Tensor,
        context_lengths: Tensor,
        decoder: str,
        task_token: TaskToken = TaskToken.CONTINUE,
        factor: float | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Contexts (C, L) → vectors (C, M, E) and counts (C,); each different context is encoded once."""
        lengths = context_lengths.tolist()
        rows = context_ids.cpu().numpy()
        keys: list[Key] = [
            (row[:n].tobytes(), decoder, task_token, factor) for row, n in zip(rows, lengths, strict=True)
        ]
        found = {key: self._kept.get(key) for key in keys}
        new = {key: place for place, key in reversed(list(enumerate(keys))) if found[key] is None}
        if new:
            places = torch.tensor(sorted(new.values()), device=context_ids.device)
            chosen = context_lengths[places]
            mixed = self.precision != torch.float32
            with torch.autocast(context_ids.device.type, dtype=self.precision, enabled=mixed):
                vectors, counts = self.compressor(
                    context_ids[places, : int(chosen.max())], chosen, decoder, task_token, factor
                )
            for place, vector, count in zip(places.tolist(), vectors, counts.tolist(), strict=True):
                found[keys[place]] = vector[:count].clone()
        self.encoded += len(new)
        self.recalled += len(keys) - len(new)
        rows_found = [vectors for key in keys if (vectors := found[key]) is not None]
        for key, vectors in zip(keys, rows_found, strict=True):
            self._kept.put(key, vectors)
        counts = torch.tensor([len(vectors) for vectors in rows_found], device=context_ids.device)
        return pad_sequence(rows_found, batch_first=True), counts
