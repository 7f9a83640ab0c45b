"""Parameter names of Meta's and Mistral's layout, and of Hugging Face's Llama body."""

from __future__ import annotations

import re
from typing import Literal

from arc_encoder.core.errors import CheckpointError

# part of a layer: Meta name ↔ Hugging Face name
PARTS = {
    "attention.wq": "self_attn.q_proj",
    "attention.wk": "self_attn.k_proj",
    "attention.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w3": "mlp.up_proj",
}
WHOLE = {"tok_embeddings.weight": "embed_tokens.weight", "norm.weight": "norm.weight"}
_TO_META = {theirs: ours for ours, theirs in PARTS.items()}
_WHOLE_TO_META = {theirs: ours for ours, theirs in WHOLE.items()}
_LAYER = re.compile(r"layers\.(\d+)\.(.+)\.weight")


def to_hugging_face(name: str) -> str:
    """``layers.0.attention.wq.weight`` → ``layers.0.self_attn.q_proj.weight``.

    Raises:
        CheckpointError: no parameter of this layout has that name.
    """
    return _translated(name, PARTS, WHOLE, "Meta's layout")


def to_meta(name: str) -> str:
    """``layers.0.self_attn.q_proj.weight`` → ``layers.0.attention.wq.weight``.

    Raises:
        CheckpointError: a parameter that this layout cannot hold.
    """
    return _translated(name, _TO_META, _WHOLE_TO_META, "Hugging Face's Llama body")


def rotated(name: str) -> Literal["query", "key"] | None:
    """Whether a parameter (by its Hugging Face name) is laid out for rotary positions."""
    if name.endswith("self_attn.q_proj.weight"):
        return "query"
    return "key" if name.endswith("self_attn.k_proj.weight") else None


def _translated(name: str, parts: dict[str, str], whole: dict[str, str], layout: str) -> str:
    if name in whole:
        return whole[name]
    match = _LAYER.fullmatch(name)
    if match is None or match[2] not in parts:
        raise CheckpointError(f"{name!r} is no parameter of {layout}")
    return f"layers.{match[1]}.{parts[match[2]]}.weight"
