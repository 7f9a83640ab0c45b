"""ContextWindowExtension: how long contexts are cut into chunks, and how that grows (Pilchen et al., 2025, §4.3)."""

from __future__ import annotations

from collections.abc import Mapping

import lightning as L
from lightning.pytorch.callbacks import Callback

from arc_encoder.core.errors import ConfigError
from arc_encoder.training.module import ArcLightningModule


class ContextWindowExtension(Callback):
    """Sets the model's chunking before every batch, as a function of the optimizer step alone.

    Args:
        chunk_size: tokens of a chunk; None keeps the model's.
        max_chunks: chunks of a context from the start, or until the first step of `growth`; None keeps the model's.
        growth: {optimizer step: number of chunks from then on}; until then longer contexts are refused, or cut
            where the model's chunking says overflow=cut.

    Raises:
        ConfigError: numbers below 1, or a growth that shrinks.
    """

    def __init__(
        self, chunk_size: int | None = None, max_chunks: int | None = None, growth: Mapping[int, int] | None = None
    ) -> None:
        self.chunk_size, self.max_chunks = chunk_size, max_chunks
        self.growth = {
            int(step): int(chunks) for step, chunks in sorted((growth or {}).items(), key=lambda kv: int(kv[0]))
        }
        counts = [*([] if max_chunks is None else [max_chunks]), *self.growth.values()]
        if min([1 if chunk_size is None else chunk_size, *counts]) < 1:
            raise ConfigError(f"context window: chunk_size={chunk_size} and chunk counts {counts} must be at least 1")
        if counts != sorted(counts):
            raise ConfigError(f"context window: the number of chunks must not fall, but the schedule is {counts}")

    def chunks_at(self, step: int) -> int | None:
        """Number of chunks allowed at an optimizer step, None for the model's own."""
        return [self.max_chunks, *(chunks for start, chunks in self.growth.items() if step >= start)][-1]

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._apply(trainer, pl_module)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: object, batch_idx: int
    ) -> None:
        self._apply(trainer, pl_module)

    def _apply(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, ArcLightningModule)
        compressor = pl_module.model.compressor
        if self.chunk_size is not None:
            compressor.chunking.size = compressor.config.chunk_size = self.chunk_size
        chunks = self.chunks_at(trainer.global_step)
        if chunks is not None:
            compressor.chunking.max_chunks = compressor.config.max_chunks = chunks
