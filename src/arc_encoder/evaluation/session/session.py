"""What an evaluation works with: model, tokenizers, batch size, progress bar, and a count of what passed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import torch
from torch import nn
from tqdm import tqdm

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.compute import compute_dtype
from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import Role, Sample
from arc_encoder.data.batching.collator import ArcCollator, texts_of
from arc_encoder.data.batching.reference import with_start
from arc_encoder.data.batching.tokens import token_ids
from arc_encoder.evaluation.session.meter import Meter
from arc_encoder.evaluation.session.vector_cache import VectorCache
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.checkpoint.loading import load_arc_encoder
from arc_encoder.model.decoder.frozen_decoder import FrozenDecoder
from arc_encoder.model.heads.context_compressor import ContextCompressor

Item = TypeVar("Item")


@dataclass
class Session:
    """One decoder, with or without an ARC-Encoder.

    Attributes:
        model: decoder and, if needed, compressor.
        collator: text → ids.
        decoder_name: which decoder.
        factor: pooling factor, None for the trained one.
        batch_size: most examples at once.
        batch_positions: most decoder positions at once, padding included, which bounds memory; one example always goes.
        progress: show a progress bar.
        device: where batches are put, and where the model was.
        cache_gib: memory for vectors of contexts that may come again.
        precision: dtype in which an ARC-Encoder computes.
        meter: what passed since it was last reset.
        budget_of: the compressor whose number of vectors is a budget, where the model has none itself.
    """

    model: ArcForCausalLM
    collator: ArcCollator
    decoder_name: str
    factor: int | None = None
    batch_size: int = 16
    batch_positions: int = 16384
    progress: bool = True
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    cache_gib: float = 1.0
    precision: torch.dtype = torch.float32
    meter: Meter = field(default_factory=Meter)
    budget_of: ContextCompressor | None = None
    _token_counts: dict[str, int] = field(default_factory=dict)

    @property
    def decoder(self) -> FrozenDecoder:
        return self.model.decoder(self.decoder_name)

    @property
    def has_compressor(self) -> bool:
        return self.model.has_compressor

    @property
    def trained_factor(self) -> int | None:
        """The pooling factor that the compressor was trained with; None if it has none."""
        return None if self.measure is None else self.measure.overall_factor

    @property
    def measure(self) -> ContextCompressor | None:
        """The compressor that says what a document would become; None without one."""
        return self.model.compressor if self.has_compressor else self.budget_of

    def as_text(self) -> Session:
        """A session like this one that compresses nothing: budgets stay those of its ARC-Encoder.

        The decoder computes as it came, without what a trained baseline such as PISCO changes in it.
        """
        if not self.has_compressor:
            return self
        plain = ArcForCausalLM(None, {self.decoder_name: self.decoder})
        return replace(self, model=plain, meter=Meter(), budget_of=self.model.compressor)

    def with_compressor(self, compressor: nn.Module) -> Session:
        """A session like this one, with another compressor in front of the same decoder."""
        remembered: Any = VectorCache(
            compressor.to(self.device).eval(), limit_gib=self.cache_gib, precision=self.precision
        )
        model = ArcForCausalLM(remembered, {self.decoder_name: self.decoder})
        return replace(self, model=model, meter=Meter(), budget_of=None)

    def budgets(self, documents: Iterable[str]) -> dict[str, int]:
        """Vectors that each document would become, task token included.

        Without an ARC-Encoder: ⌈tokens of the decoder ÷ pooling factor⌉ and one for a task token.

        Raises:
            ConfigError: neither ARC-Encoder nor pooling factor.
        """
        unique = list(dict.fromkeys(documents))
        ids = token_ids(unique, self.collator.encoder_tokenizer)
        compressor = self.measure
        if compressor is None:
            if self.factor is None:
                raise ConfigError("a budget of tokens needs a trained ARC-Encoder or a pooling factor", advice="budget")
            return {text: -(-len(row) // self.factor) + 1 for text, row in zip(unique, ids, strict=True)}
        extra = compressor.head(self.decoder_name).extra_vectors()
        return {
            text: compressor.compressed_length(len(row), self.factor) + extra
            for text, row in zip(unique, ids, strict=True)
        }

    def batches(self, items: Sequence[Item], length: Callable[[Item], int], title: str) -> Iterator[list[int]]:
        """Indices of `items` in batches of similar length, longest first, under a progress bar.

        Args:
            items: what is put into batches.
            length: of an item, in decoder positions.
            title: of the bar.
        """
        lengths = [length(item) for item in items]
        order = sorted(range(len(items)), key=lambda i: -lengths[i])
        bar = tqdm(total=len(order), desc=title, unit="example", disable=not self.progress, leave=False)
        with bar:
            start = 0
            while start < len(order):
                fitting = self.batch_positions // max(1, lengths[order[start]])
                batch = order[start : start + max(1, min(self.batch_size, fitting))]
                yield batch
                start += len(batch)
                bar.update(len(batch))

    def size(self, sample: Sample) -> int:
        """About how many decoder positions a sample takes: its text, and its contexts divided by the pooling factor."""
        batch = self.collator([sample], decoder=self.decoder_name, task="length")
        vectors = int(batch.context_lengths.sum()) / (self.factor or self.trained_factor or 1)
        return int(batch.text_lengths[0]) + math.ceil(vectors)

    def with_start(self, sample: Sample) -> Sample:
        """The sample with something before its first target, so that it can be predicted."""
        text = self.collator.decoders[self.decoder_name]
        return with_start(sample, bos=text.bos, chat=text.chat, end_of_text=str(self.decoder.tokenizer.eos_token))

    def collate(self, samples: Sequence[Sample], task: str, *, counted: bool = True) -> ArcBatch:
        """A batch on the device; `counted` prompts are those that costs are about."""
        batch = self.collator(samples, decoder=self.decoder_name, task=task).to(self.device)
        if counted:
            self.meter.count(batch)
        return batch

    def positions(self, sample: Sample, budgets: dict[str, int]) -> int:
        """Decoder positions of a sample: its text, and the vectors of its contexts."""
        batch = self.collator([sample], decoder=self.decoder_name, task="length")
        vectors = sum(budgets[segment.text] for segment in sample.segments if segment.role is Role.CONTEXT)
        return int(batch.text_lengths[0]) + vectors

    def document_positions(self, sample: Sample, shown: Sequence[str], budgets: dict[str, int]) -> int:
        """Decoder positions of a sample's documents: vectors where compressed, tokens where text."""
        compressed = [segment.text for segment in sample.segments if segment.role is Role.CONTEXT]
        if compressed:
            return sum(budgets[text] for text in compressed)
        return self.text_tokens(shown)

    def stored_bytes(self, sample: Sample, shown: Sequence[str], budgets: dict[str, int]) -> int:
        """Bytes that a sample's documents take if they are kept: vectors in 16 bits a number, or UTF-8 text.

        Task tokens are the same for every document and are not stored with each.
        """
        compressed = [segment.text for segment in sample.segments if segment.role is Role.CONTEXT]
        if not compressed:
            return sum(len(text.encode()) for text in shown)
        extra = self.model.compressor.head(self.decoder_name).extra_vectors()
        return 2 * self.decoder.width * sum(budgets[text] - extra for text in compressed)

    def text_tokens(self, documents: Sequence[str]) -> int:
        """Tokens of the decoder that documents have as text."""
        return sum(self._tokens_of(text) for text in documents)

    def _tokens_of(self, text: str) -> int:
        found = self._token_counts.get(text)
        if found is None:
            found = self._token_counts[text] = len(self.decoder.token_ids(text))
        return found


class SessionOptions(TypedDict, total=False):
    """Options of `open_session`, for functions that pass them on."""

    batch_size: int
    batch_positions: int
    device: str
    encoder_tokenizer: str | None
    backbone: str | None
    cache_gib: float
    precision: str
    progress: bool


def open_session(
    decoder: FrozenDecoder,
    name: str,
    compressor: str | Path | None = None,
    *,
    batch_size: int = 32,
    batch_positions: int = 16384,
    device: str = "cpu",
    encoder_tokenizer: str | None = None,
    backbone: str | None = None,
    cache_gib: float = 1.0,
    precision: str = "32-true",
    progress: bool = True,
) -> Session:
    """A session for one decoder, with an ARC-Encoder if a folder is given.

    Args:
        compressor: folder of a trained ARC-Encoder, or the hub name of a released one.
        batch_positions: most decoder positions at once, padding included.
        encoder_tokenizer: folder or hub name of the encoder's tokenizer, if it is not with the ARC-Encoder.
        backbone: folder or hub name of the encoder's backbone, if it is not found by its own name.
        precision: in which the ARC-Encoder computes: 32-true, bf16-mixed or 16-mixed, as in training.

    Raises:
        CheckpointError: the ARC-Encoder cannot be loaded or does not serve this decoder.
        ConfigError: an unknown precision.
    """
    model: Any = ArcForCausalLM(None, {name: decoder}).to(device)
    texts = texts_of({name: decoder})
    session = Session(
        model,
        ArcCollator(decoder.tokenizer, texts),
        name,
        batch_size=batch_size,
        batch_positions=batch_positions,
        device=torch.device(device),
        cache_gib=cache_gib,
        precision=compute_dtype(precision),
        progress=progress,
    )
    if compressor is None:
        return session
    loaded, tokenizer = load_arc_encoder(compressor, tokenizer=encoder_tokenizer, backbone=backbone)
    session = session.with_compressor(loaded)
    session.collator = ArcCollator(tokenizer, texts)
    return session
