"""ArcBatch: what the collator hands to the model.

Shape legend: C contexts, L context tokens, B samples, S text tokens.

The decoder's text and the contexts are kept apart. A context says which sample it
belongs to and how many text tokens come before it; the model lays out the merged sequence once it
knows how many vectors each context became. So neither pooling factor nor chunking is
known to the data side, and both may change while training runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from arc_encoder.core.segments import TaskToken


@dataclass(frozen=True)
class Counts:
    """Numbers of a batch that logs ask for at every step; counted in main memory, so that nobody waits for a GPU to tell.

    Attributes:
        encoder_tokens: that the encoder reads.
        text_tokens: of the decoder's text.
        target_tokens: in the loss.
    """

    encoder_tokens: int
    text_tokens: int
    target_tokens: int


@dataclass(frozen=True)
class ArcBatch:
    """Token ids of one batch, for one task and one decoder.

    Attributes:
        task: name of the task, for logs.
        decoder: name of the decoder whose tokenizer made `text_ids`.
        task_token: which learned token follows each context.
        sample_ids: one id for each sample, for error messages.
        context_ids: (C, L) encoder token ids, padded on the right.
        context_lengths: (C,) number of real tokens, at least 1.
        context_rows: (C,) sample of each context, not decreasing.
        context_positions: (C,) number of text tokens of that sample before the context.
        text_ids: (B, S) decoder token ids, padded on the right.
        text_lengths: (B,) number of real tokens.
        target_mask: (B, S) True where the token is predicted and counts in the loss.
        factor: pooling factor of this batch, not always whole while it grows; None for the model's own.
        reference: the same samples as the decoder would read them without compression, with the same targets; None
            where nobody asked for it.
        end_ids: decoder token ids that end an answer, besides EOS (a chat template's end of turn).
        vectors: (C, M, E) what the contexts were compressed into before, padded; None compresses `context_ids` now.
        vector_counts: (C,) how many of them are real, where there are any.
        counts: what was counted before the batch was put on a GPU.
    """

    task: str
    decoder: str
    task_token: TaskToken
    sample_ids: tuple[str, ...]
    context_ids: Tensor
    context_lengths: Tensor
    context_rows: Tensor
    context_positions: Tensor
    text_ids: Tensor
    text_lengths: Tensor
    target_mask: Tensor
    factor: float | None = None
    end_ids: tuple[int, ...] = ()
    reference: ArcBatch | None = None
    vectors: Tensor | None = None
    vector_counts: Tensor | None = None
    counts: Counts | None = None

    def with_vectors(self, vectors: Sequence[Tensor]) -> ArcBatch:
        """The same batch with the vectors (M, E) of each of its contexts, in their order."""
        counts = torch.tensor([len(each) for each in vectors], dtype=torch.long)
        padded = torch.nn.utils.rnn.pad_sequence(list(vectors), batch_first=True) if vectors else None
        return replace(self, vectors=padded, vector_counts=None if padded is None else counts)

    def to(self, device: torch.device | str) -> ArcBatch:
        """The same batch with every tensor on `device`; it is counted before it leaves main memory."""
        moved = self._changed(lambda tensor: tensor.to(device, non_blocking=True))
        leaves = self.counts is None and self.text_ids.device.type == "cpu"
        return replace(moved, counts=self._count()) if leaves else moved

    def pin_memory(self) -> ArcBatch:
        """The same batch in page-locked memory (used by the data loader on CUDA machines)."""
        return self._changed(Tensor.pin_memory)

    def _changed(self, change: Callable[[Tensor], Tensor]) -> ArcBatch:
        tensors: dict[str, Any] = {
            f.name: change(value) for f in fields(self) if isinstance(value := getattr(self, f.name), Tensor)
        }
        reference = None if self.reference is None else self.reference._changed(change)
        return replace(self, **tensors, reference=reference)

    def _count(self) -> Counts:
        return Counts(int(self.context_lengths.sum()), int(self.text_lengths.sum()), int(self.target_mask.sum()))

    @property
    def target_tokens(self) -> int:
        """Number of tokens in the loss."""
        return (self.counts or self._count()).target_tokens

    @property
    def encoder_tokens(self) -> int:
        """Number of tokens that the encoder reads."""
        return (self.counts or self._count()).encoder_tokens

    @property
    def text_tokens(self) -> int:
        """Number of tokens of the decoder's text."""
        return (self.counts or self._count()).text_tokens

    @property
    def tokens(self) -> int:
        """Number of text tokens read by encoder and decoder."""
        return self.encoder_tokens + self.text_tokens


def pad_rows(rows: list[list[int]], value: int = 0) -> tuple[Tensor, Tensor]:
    """Right-pad lists of ids to one (N, longest) tensor, with their lengths (N,)."""
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.long)
    tensors = [torch.tensor(row, dtype=torch.long) for row in rows]
    if not tensors:
        return torch.zeros(0, 0, dtype=torch.long), lengths
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value), lengths
