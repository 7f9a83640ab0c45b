"""What an evaluation works with: model, tokenizers, batch size, progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from tqdm import tqdm

from arc_encoder.batch import ArcBatch
from arc_encoder.data.collator import ArcCollator
from arc_encoder.data.tokens import context_ids
from arc_encoder.model.arc_model import ArcModel
from arc_encoder.model.decoder import FrozenDecoder
from arc_encoder.segments import Role, Sample

Item = TypeVar("Item")


@dataclass
class Session:
    """One decoder, with or without an ARC-Encoder.

    Attributes:
        model: decoder and, if needed, compressor.
        collator: text → ids.
        decoder_name: which decoder.
        factor: pooling factor, None for the trained one.
        batch_size: examples at once.
        progress: show a progress bar.
        device: where batches are put, and where the model was.
    """

    model: ArcModel
    collator: ArcCollator
    decoder_name: str
    factor: int | None = None
    batch_size: int = 16
    progress: bool = True
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def decoder(self) -> FrozenDecoder:
        return self.model.decoder(self.decoder_name)

    @property
    def has_compressor(self) -> bool:
        return self.model.has_compressor

    def budgets(self, documents: Iterable[str]) -> dict[str, int]:
        """Vectors that each document would become, task token included."""
        compressor = self.model.compressor
        extra = compressor.head(self.decoder_name).extra_vectors()
        unique = list(dict.fromkeys(documents))
        ids = context_ids(unique, self.collator.encoder_tokenizer)
        return {
            text: compressor.compressed_length(len(row), self.factor) + extra
            for text, row in zip(unique, ids, strict=True)
        }

    def batches(self, items: Sequence[Item], length: Callable[[Item], int], title: str) -> Iterator[list[int]]:
        """Indices of `items` in batches of similar length, longest first, under a progress bar."""
        order = sorted(range(len(items)), key=lambda i: -length(items[i]))
        starts = range(0, len(order), self.batch_size)
        for start in tqdm(starts, desc=title, unit="batch", disable=not self.progress, leave=False):
            yield order[start : start + self.batch_size]

    def collate(self, samples: Sequence[Sample], task: str) -> ArcBatch:
        return self.collator(samples, decoder=self.decoder_name, task=task).to(self.device)

    def document_positions(self, sample: Sample, shown: Sequence[str], budgets: dict[str, int]) -> int:
        """Decoder positions of a sample's documents: vectors where compressed, tokens where text."""
        compressed = [segment.text for segment in sample.segments if segment.role is Role.CONTEXT]
        if compressed:
            return sum(budgets[text] for text in compressed)
        return sum(len(self.decoder.token_ids(text)) for text in shown)
