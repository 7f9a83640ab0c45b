"""A transformer block of the backbone that pools inside its self-attention.

Shape legend: C contexts, L rows before pooling, M rows after it, D width, H heads.

The block takes over the submodules of a Hugging Face layer, under the same names, so that
weights, adapters and sharding see an ordinary layer. What differs between families is read
off the layer itself:

- norms before attention and feed-forward (Llama and most others), after them (OLMo 2 and 3),
  or both (Gemma 2 and 3);
- norms of queries and keys, over each head or over all of them;
- clipping of queries, keys and values (OLMo 1), layers without rotary embedding (SmolLM3),
  soft-capped scores (Gemma 2).

With factor 1 the block computes exactly what the layer computes; `PoolingEncoder` checks that
when it is built, and refuses a family for which it does not hold.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from arc_encoder.model.encoder.padding.packing import Packed
from arc_encoder.model.encoder.pooling import Pooling
from arc_encoder.model.encoder.pooling.grouping import balanced_groups

Rotary = tuple[Tensor, Tensor]


class PooledBlock(GradientCheckpointingLayer):
    """One of the last blocks of the encoder.

    Args:
        layer: the Hugging Face layer whose submodules are taken over.
        pooling: how groups become rows.
        stage: which step of the pooling's schedule this block does.
        causal: whether a row sees only tokens up to the end of its own group.
    """

    # Modules that the layer brings; which of them exist depends on the family.
    self_attn: Any
    mlp: Any
    input_layernorm: Any
    post_attention_layernorm: Any
    pre_feedforward_layernorm: Any
    post_feedforward_layernorm: Any

    def __init__(self, layer: nn.Module, pooling: Pooling, stage: int, causal: bool) -> None:
        super().__init__()
        for name, child in layer.named_children():
            self.add_module(name, child)
        self.attention_type = getattr(layer, "attention_type", "full_attention")
        self.norm_before = hasattr(layer, "input_layernorm")
        self.sandwich = hasattr(layer, "pre_feedforward_layernorm")
        self.stage, self.causal = stage, causal
        self.use(pooling)
        family = sys.modules[type(self.self_attn).__module__]
        self._rotate: Callable[..., Rotary] = family.apply_rotary_pos_emb
        self._eager: Callable[..., tuple[Tensor, Any]] = family.eager_attention_forward

    def use(self, pooling: Pooling) -> None:
        """Pool with `pooling` from now on; the encoder owns it, and a tuple keeps it from being registered twice."""
        self._pooling = (pooling,)

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        position_embeddings: Rotary | None = None,
        *,
        stage_lengths: list[Tensor],
        packed: Packed | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """(C, L, D) → (C, M, D), where L and M are the longest contexts before and after this block.

        `stage_lengths` holds the number of rows (C,) of each context at every stage. Of `packed` contexts the first of
        these blocks gets (1, N, D), all their tokens in one row.
        """
        assert position_embeddings is not None
        if packed is not None:
            hidden_states = packed.unpack(hidden_states) if self.stage == 0 else hidden_states
            position_embeddings = packed.unpack_rotary(position_embeddings)
        pooling = self._pooling[0]
        before, after = stage_lengths[self.stage], stage_lengths[self.stage + 1]
        if pooling.where == "between":
            residual = hidden_states + self._attend(hidden_states, hidden_states, before, before, position_embeddings)
            return self._feed_forward(pooling(residual, before, after))
        pooled = pooling(hidden_states, before, after)
        if pooling.where == "block":
            attended = self._attend(pooled, pooled, after, after, position_embeddings)
        else:
            attended = self._attend(pooled, hidden_states, after, before, position_embeddings)
        return self._feed_forward(pooled + attended)

    def _attend(self, queries: Tensor, keys: Tensor, query_rows: Tensor, key_rows: Tensor, rotary: Rotary) -> Tensor:
        """Attention of `queries` (C, M, D) over `keys` (C, L, D), norms included, (C, M, D)."""
        attention: Any = self.self_attn
        if self.norm_before:
            normed = self.input_layernorm(queries)
            keys = normed if keys is queries else self.input_layernorm(keys)
            queries = normed
        q = self._heads(attention.q_proj(queries), "q_norm")
        k = self._heads(attention.k_proj(keys), "k_norm")
        v = self._heads(attention.v_proj(keys), None)
        if getattr(attention, "use_rope", True):
            cos, sin = rotary
            q = self._rotate(q, q, cos[:, : q.shape[2]], sin[:, : q.shape[2]])[0]
            k = self._rotate(k, k, cos[:, : k.shape[2]], sin[:, : k.shape[2]])[0]
        implementation = ALL_ATTENTION_FUNCTIONS.get_interface(attention.config._attn_implementation, self._eager)
        options: dict[str, Any] = {"scaling": attention.scaling, "dropout": 0.0, "is_causal": False}
        if getattr(attention, "attn_logit_softcapping", None) is not None:
            options["softcap"] = attention.attn_logit_softcapping
        mask = self._mask(query_rows, key_rows, q.shape[2], k.shape[2], q.dtype)
        output, _ = implementation(attention, q, k, v, mask, **options)
        output = attention.o_proj(output.reshape(*queries.shape[:-1], -1))
        if self.sandwich or not self.norm_before:
            output = self.post_attention_layernorm(output)
        return output

    def _heads(self, projected: Tensor, norm_name: str | None) -> Tensor:
        """(C, R, H·head_dim) → (C, H, R, head_dim), clipped and normed as the family does."""
        attention: Any = self.self_attn
        clip = getattr(attention.config, "clip_qkv", None)
        if clip is not None:
            projected = projected.clamp(min=-clip, max=clip)
        norm: Any = getattr(attention, norm_name, None) if norm_name else None
        over_all_heads = norm is not None and norm.weight.shape[-1] != attention.head_dim
        if over_all_heads:
            projected = norm(projected)
        heads = projected.view(*projected.shape[:-1], -1, attention.head_dim)
        if norm is not None and not over_all_heads:
            heads = norm(heads)
        return heads.transpose(1, 2)

    def _mask(self, query_rows: Tensor, key_rows: Tensor, m: int, n: int, dtype: torch.dtype) -> Tensor | None:
        """Additive mask (C, 1, M, L), or None where every row sees every key."""
        if not self.causal and bool((key_rows == n).all()):
            return None
        key = torch.arange(n, device=key_rows.device)
        seen = (key < key_rows[:, None])[:, None]  # (C, 1, L)
        if self.causal:
            ends = balanced_groups(key_rows, query_rows).ends  # (C, M): a group sees up to its own end
            seen = seen & (key < ends.clamp(min=1)[..., None])
        mask = torch.zeros(seen.shape, dtype=dtype, device=key_rows.device)
        return mask.masked_fill(~seen, torch.finfo(dtype).min)[:, None].expand(-1, 1, m, -1)

    def _feed_forward(self, hidden: Tensor) -> Tensor:
        if self.sandwich:
            return hidden + self.post_feedforward_layernorm(self.mlp(self.pre_feedforward_layernorm(hidden)))
        if not self.norm_before:
            return hidden + self.post_feedforward_layernorm(self.mlp(hidden))
        return hidden + self.mlp(self.post_attention_layernorm(hidden))
