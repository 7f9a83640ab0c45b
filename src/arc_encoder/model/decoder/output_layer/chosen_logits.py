"""Logits at chosen positions only: the output layer of a vocabulary is wide, and most positions have no target.

Shape legend: B rows, T positions, N chosen positions, E width, V vocabulary.
"""

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


def give_contiguous(head: nn.Module) -> None:
    """Let an output layer read a contiguous copy of what it is given.

    Generation gives it the last position of every row, (B, 1, E) with the strides of (B, T, E). PyTorch's product of
    such a tensor makes B copies of the weights (V, E) first in bfloat16 on a CPU: 1.3 GB for 24 rows of a model of 135
    million weights.
    """
    head.register_forward_pre_hook(_contiguous)


def _contiguous(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(each.contiguous() if isinstance(each, Tensor) else each for each in inputs)
