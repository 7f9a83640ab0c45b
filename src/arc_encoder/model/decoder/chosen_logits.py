"""Logits at chosen positions only: the output layer of a vocabulary is wide, and most positions have no target."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel


def forward_at(model: PreTrainedModel, keep: Tensor, **inputs: Any) -> Any:
    """One forward pass of a causal language model with logits at chosen positions.

    A model's own `logits_to_keep` takes a mask since transformers 5.21, before that one set of positions for all
    rows; choosing them in front of the output layer works with every version, and gives the same bits.

    Args:
        model: it computes its logits with its output embeddings, and elementwise from there on.
        keep: (B, T) True where logits are wanted.
        inputs: of the forward pass, which gives no loss.

    Returns:
        The model's output with `logits` (N, V): of the N chosen positions, row by row.
    """
    head: nn.Module = model.get_output_embeddings()

    def choose(_module: nn.Module, hidden: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (hidden[0][keep], *hidden[1:])

    hook = head.register_forward_pre_hook(choose)
    try:
        return model(**inputs)
    finally:
        hook.remove()
