"""Contexts one behind the other in one row without padding, in front of the blocks that pool.

Shape legend: C contexts, L tokens of the longest, N tokens of all contexts, D width, S blocks of tokens.

Positions begin again at 0 with each context, and a mask of documents keeps contexts apart. On a CUDA device it is a
mask of blocks for `torch.nn.attention.flex_attention`, which skips blocks that lie between contexts. Elsewhere it is
dense, N × N: a reference that is exact, and slower than rows with padding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask
from transformers import PreTrainedModel

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.language_models.grouped_attention import NAME

BLOCK = 128  # tokens of a block, which the kernel computes or skips as a whole
NARROWEST = 16  # head that the kernel takes
WITHOUT_STATE = {"full_attention", "sliding_attention"}  # kinds of layers; an encoder's windows are endless

Rotary = tuple[Tensor, Tensor]
Seen = Callable[[Any, Any, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Packed:
    """Where the tokens of C contexts lie in one row.

    Attributes:
        slots: (N,) place of each token in the flattened contexts (C·L,).
        longest: (L,) places in the row of the tokens of a longest context.
        contexts: their number C.
    """

    slots: Tensor
    longest: Tensor
    contexts: int

    @classmethod
    def of(cls, lengths: Tensor) -> Packed:
        """Contexts of `lengths` (C,), padded on the right to the longest of them."""
        place = torch.arange(int(lengths.max()), device=lengths.device)
        slots = (place < lengths[:, None]).flatten().nonzero().flatten()
        begins = lengths.cumsum(0) - lengths
        return cls(slots, begins[lengths.argmax()] + place, len(lengths))

    @property
    def documents(self) -> Tensor:
        """(N,) the context of each token, not decreasing."""
        return self.slots // len(self.longest)

    @property
    def positions(self) -> Tensor:
        """(1, N) the position of each token in its context."""
        return (self.slots % len(self.longest))[None]

    def pack(self, padded: Tensor) -> Tensor:
        """(C, L, D) → (1, N, D)."""
        return padded.flatten(0, 1).index_select(0, self.slots)[None]

    def unpack(self, row: Tensor) -> Tensor:
        """(1, N, D) → (C, L, D), padded with zeros."""
        flat = row.new_zeros(self.contexts * len(self.longest), row.shape[-1])
        return flat.index_copy(0, self.slots, row[0]).view(self.contexts, len(self.longest), -1)

    def unpack_rotary(self, rotary: Rotary) -> Rotary:
        """Rotary angles of a row (1, N, …) → those of positions from 0 on (1, L, …), which all contexts share."""
        cos, sin = rotary
        return cos.index_select(1, self.longest), sin.index_select(1, self.longest)


def document_mask(documents: Tensor, causal: bool) -> Tensor | BlockMask:
    """What tokens of `documents` (N,), not decreasing, see: those of their own, with `causal` none behind them.

    Returns:
        (1, 1, N, N): a mask of blocks on a CUDA device, elsewhere True where a key is seen.
    """
    return (document_blocks if documents.device.type == "cuda" else dense_mask)(documents, causal)


def dense_mask(documents: Tensor, causal: bool) -> Tensor:
    """(1, 1, N, N), True where a key is seen."""
    place = torch.arange(len(documents), device=documents.device)
    return _seen(documents, causal)(0, 0, place[:, None], place)[None, None]


def document_blocks(documents: Tensor, causal: bool) -> BlockMask:
    """The same as blocks. Which of them are empty, partly or wholly seen is told from their ends, without N × N values."""
    tokens = len(documents)
    number = torch.arange(-(-tokens // BLOCK), device=documents.device)
    first = documents[number * BLOCK]  # (S,)
    last = documents[(number * BLOCK + BLOCK - 1).clamp(max=tokens - 1)]
    some = (first[:, None] <= last) & (first <= last[:, None])  # (S, S)
    alone = (first == last) & (number < tokens // BLOCK)  # a block that the row's end cuts is never whole
    whole = some & alone[:, None] & alone
    if causal:
        some, whole = some & (number[:, None] >= number), whole & (number[:, None] > number)
    return BlockMask.from_kv_blocks(
        *_listed(some & ~whole),
        *_listed(whole),
        BLOCK_SIZE=BLOCK,
        mask_mod=_seen(documents, causal),
        seq_lengths=(tokens, tokens),
    )


def check_packable(backbone: PreTrainedModel, device: torch.device) -> None:
    """Refuse what a mask of documents cannot keep apart, or the kernel cannot compute.

    Raises:
        ConfigError: layers with a state, an attention that is not PyTorch's, dropout in it, or heads that are too narrow.
    """
    config: Any = backbone.config
    others = sorted(set(getattr(config, "layer_types", None) or []) - WITHOUT_STATE)
    if others:
        raise _refused(
            backbone, f"it has layers of the kind {', '.join(others)}, which would read one context into the next"
        )
    if config._attn_implementation != NAME:
        raise _refused(backbone, f"its attention is {config._attn_implementation!r}, and it takes PyTorch's ('sdpa')")
    if getattr(config, "attention_dropout", None):
        raise _refused(backbone, f"attention_dropout={config.attention_dropout} is not possible there; set it to 0")
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if device.type == "cuda" and width < NARROWEST:
        raise _refused(backbone, f"its heads are {width} wide, and the kernel takes {NARROWEST} or more")


def _refused(backbone: PreTrainedModel, why: str) -> ConfigError:
    return ConfigError(f"{type(backbone).__name__} cannot read packed contexts: {why}. Leave packed switched off")


def _seen(documents: Tensor, causal: bool) -> Seen:
    def same(_: Any, __: Any, query: Tensor, key: Tensor) -> Tensor:
        return documents[query] == documents[key]

    def same_and_before(_: Any, __: Any, query: Tensor, key: Tensor) -> Tensor:
        return (documents[query] == documents[key]) & (query >= key)

    return same_and_before if causal else same


def _listed(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Blocks (S, S) → how many keys' blocks each of queries has (1, 1, S), and their numbers first (1, 1, S, S)."""
    counts = chosen.sum(-1, dtype=torch.int32)
    numbers = chosen.int().argsort(dim=-1, descending=True, stable=True).int()
    return counts[None, None], numbers[None, None]
