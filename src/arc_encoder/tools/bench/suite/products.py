"""What a processor's matrix products allow: the limit that encoder and decoder are held against."""

from __future__ import annotations

import torch

from arc_encoder.tools.bench.suite.figure import in_turns
from arc_encoder.tools.bench.suite.models import Shape


def product_speed(shape: Shape, rows: int, dtype: torch.dtype, rounds: int = 5) -> float:
    """Operations a second of the products of one layer: `rows` tokens by width by 4 × width, and back."""
    wide = 4 * shape.width
    left, up, down = (
        torch.randn(*size, dtype=dtype) for size in ((rows, shape.width), (shape.width, wide), (wide, shape.width))
    )
    seconds = in_turns({"both": lambda: left @ up @ down}, rounds)["both"]
    return 4.0 * rows * shape.width * wide / seconds


def forward_operations(model: torch.nn.Module, tokens: int) -> float:
    """Operations of a forward pass outside attention scores: two for each weight of a matrix and token."""
    weights = sum(each.weight.numel() for each in model.modules() if isinstance(each, torch.nn.Linear))
    return 2.0 * weights * tokens
