"""What a transformer block keeps for its backward pass, and what it computes.

Shape legend: n rows of a sequence, m query rows, D width, F feed-forward width, H heads, K key heads, d head width.

Counted is what autograd saves in the models of the transformers library with fused
attention, without dropout. Per row, in numbers (c: computed in the compute dtype; f: float32):

    a norm over D         f: D (its input)            + D (normalised) if its weight is trained
    inputs of q, k, v     c: a copy for each matrix   only if trained; one for all in float32
    attention             c: (H + 2·K + H)·d          keys and values as many as H where a mask is needed;  f: H
    feed-forward          c: 3·F (gate, its activation, up)   + F if trained;   without gate F   + F

With a mask, attention also keeps n² numbers of it in c for every sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import PretrainedConfig

FLOAT = 4  # bytes of a float32


@dataclass(frozen=True)
class Block:
    """Sizes of one block.

    Attributes:
        width: D.
        feed_forward: F.
        heads, key_heads, head_width: H, K and d.
        norms: norms over D.
        head_norms: whether queries and keys have norms.
        gated: whether the feed-forward has a gate.
        matrices: numbers in its matrices.
        window: positions that attention sees, None for all.
    """

    width: int
    feed_forward: int
    heads: int
    key_heads: int
    head_width: int
    norms: int
    head_norms: bool
    gated: bool
    matrices: int
    window: int | None = None

    @classmethod
    def of(cls, config: PretrainedConfig, layer: nn.Module) -> Block:
        """Sizes of a layer of a Hugging Face model."""
        text: Any = config.get_text_config()
        width, heads = int(text.hidden_size), int(text.num_attention_heads)
        names = [name for name, _ in layer.named_modules()]
        attention = next((m for name, m in layer.named_modules() if name.endswith(("attn", "attention"))), layer)
        sliding = getattr(attention, "sliding_window", None)
        return cls(
            width=width,
            feed_forward=int(getattr(text, "intermediate_size", None) or 4 * width),
            heads=heads,
            key_heads=int(getattr(text, "num_key_value_heads", None) or heads),
            head_width=int(getattr(text, "head_dim", None) or width // heads),
            norms=sum(1 for name, _ in layer.named_children() if "norm" in name or name.startswith("ln_")),
            head_norms=any(name.endswith("q_norm") for name in names),
            gated=any(name.endswith(("gate_proj", "gate_up_proj")) for name in names),
            matrices=sum(p.numel() for p in layer.parameters() if p.ndim == 2),
            window=None if sliding is None else int(sliding),
        )

    def saved(
        self, sequences: int, rows: int, *, trained: bool, compute: int, padded: bool, queries: int | None = None
    ) -> int:
        """Bytes kept for the backward pass.

        Args:
            sequences: how many.
            rows: n, rows of each.
            trained: whether its weights are trained; otherwise gradients only pass through.
            compute: bytes of a number of the compute dtype.
            padded: whether attention needs a mask.
            queries: m, if the block pools n rows into fewer.
        """
        m = rows if queries is None else queries
        inner = self.heads * self.head_width
        keys = inner if padded else self.key_heads * self.head_width
        norm = self.width * FLOAT * (2 if trained else 1)
        kept = norm * (self.norms * m + (0 if queries is None else rows))
        if trained:
            share = compute < FLOAT  # a cast for each matrix instead of one tensor for all
            kept += self.width * compute * (m + (2 * rows if share else rows * (queries is not None)))
            kept += self.width * compute * m * ((2 if self.gated else 1) if share else 1)
        kept += compute * (2 * inner * m + 2 * keys * rows) + FLOAT * self.heads * m
        if self.head_norms:
            kept += (2 if trained else 1) * FLOAT * self.head_width * (self.heads * m + self.key_heads * rows)
        kept += compute * self.feed_forward * m * ((3 if self.gated else 1) + trained)
        if padded:
            kept += compute * m * rows
        return sequences * kept

    def passing(self, sequences: int, rows: int, *, compute: int, stream: int) -> int:
        """Bytes of gradients that are alive at once while its feed-forward goes backward.

        `stream` are the bytes of a number of the residual stream; otherwise as in `saved`.
        """
        return sequences * rows * (3 * self.feed_forward * compute + 2 * self.width * stream)

    def attention_work(self, sequences: int, rows: int, *, causal: bool, queries: int | None = None) -> int:
        """Floating-point operations of scores and weighted sums, forward."""
        seen = min(rows, self.window or rows)
        work = 4 * (rows if queries is None else queries) * seen * self.heads * self.head_width
        return sequences * (work // 2 if causal and seen == rows else work)
