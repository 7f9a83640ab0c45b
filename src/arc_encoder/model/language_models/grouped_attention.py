"""Attention on a CPU in the two cases where PyTorch's own kernel is slow there, and with a mask of blocks anywhere.

- A few new tokens against many kept keys, as in generation: in bfloat16 the kernel takes twice as long.
- bfloat16 with gradients: the kernel's backward does not use the processor's bfloat16 products.

In both, the query heads that share a head of keys are multiplied with it at once, and no key is repeated. Where the
mask is one of blocks, as packed contexts have it on a GPU, `flex_attention` computes. Everything else, and every other
device, goes to PyTorch's kernel as before. Figures: docs/results/speed.md.

Shape legend: B rows, H query heads, K key heads, G = H/K, L queries, T keys, D width of a head.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.flex_attention import flex_attention_forward
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "arc_grouped"  # of the implementation, in Transformers' registry
FEW = 4  # most queries of a step of generation
MOST_BYTES = 2**25  # of one layer's attention weights that are kept for the backward pass


def use_grouped_attention(model: PreTrainedModel) -> None:
    """Let a model that computes with PyTorch's kernel (`sdpa`) choose between it and this module; others stay."""
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(NAME)


def grouped_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | BlockMask | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """What Transformers calls for each layer.

    Args:
        module: the attention layer.
        query: (B, H, L, D).
        key: (B, K, T, D).
        value: (B, K, T, D).
        attention_mask: (B or 1, 1 or H, L, T): bool, True where a key is seen, or added to the scores; None sees all
            keys, or all earlier ones if `is_causal`. Or a mask of blocks.
        dropout: of the weights.
        scaling: of the scores; D^-1/2 by default.
        is_causal: instead of the layer's own.
        options: of the kernel.

    Returns:
        (B, L, H, D), and no weights.
    """
    kind = query.device.type
    autocast = kind in ("cpu", "cuda") and torch.is_autocast_enabled(kind)
    dtype = torch.get_autocast_dtype(kind) if autocast else query.dtype
    if isinstance(attention_mask, BlockMask):  # autocast does not reach into it: rotary angles leave queries in float32
        found = flex_attention_forward(
            module,
            query.to(dtype),
            key.to(dtype),
            value.to(dtype),
            attention_mask,
            dropout=dropout,
            scaling=scaling,
            **options,
        )
        return found[0], None
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    plain = not dropout and all(options.get(name) is None for name in ("softcap", "position_bias", "cache", "s_aux"))
    if not (plain and _is_faster(query, key, dtype)):
        return sdpa_attention_forward(
            module,
            query,
            key,
            value,
            attention_mask,
            dropout=dropout,
            scaling=scaling,
            is_causal=is_causal,
            **options,
        )
    if attention_mask is None and causal and query.shape[2] > 1:
        attention_mask = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool).tril(key.shape[2] - query.shape[2])
        attention_mask = attention_mask[None, None]
    with torch.autocast("cpu", enabled=False):
        attended = _attend(query.to(dtype), key.to(dtype), value.to(dtype), attention_mask, scaling)
    return attended.transpose(1, 2).contiguous(), None


def _is_faster(query: Tensor, key: Tensor, dtype: torch.dtype) -> bool:
    if query.device.type != "cpu" or dtype not in (torch.float32, torch.bfloat16):
        return False
    rows, heads, queries, _ = query.shape
    if torch.is_grad_enabled() and query.requires_grad | key.requires_grad:
        kept = rows * heads * queries * key.shape[2] * dtype.itemsize
        return dtype is torch.bfloat16 and kept <= MOST_BYTES
    return queries <= FEW


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float | None) -> Tensor:
    """(B, H, L, D)."""
    rows, heads, queries, width = query.shape
    shared, keys = key.shape[1:3]
    group = heads // shared
    scaled = query * (width**-0.5 if scaling is None else scaling)
    scores = scaled.reshape(rows, shared, group * queries, width) @ key.transpose(2, 3)
    scores = scores.view(rows, shared, group, queries, keys)
    if mask is not None:
        if mask.dtype is torch.bool:
            mask = torch.zeros_like(mask, dtype=scores.dtype).masked_fill_(~mask, torch.finfo(scores.dtype).min)
        each = mask[:, :, None] if mask.shape[1] == 1 else mask.unflatten(1, (shared, group))
        scores = scores + each.to(scores.dtype)
    weights = scores.softmax(-1)  # summed in float32 whatever the dtype
    return (weights.view(rows, shared, group * queries, keys) @ value).reshape(rows, heads, queries, width)


AttentionInterface.register(NAME, grouped_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
