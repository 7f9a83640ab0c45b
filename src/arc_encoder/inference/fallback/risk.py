"""What the frozen decoder makes of prompts before it answers: the features that a probe sees."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from arc_encoder.core.errors import DataError
from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.inference.fallback.probe import prompt_features
from arc_encoder.inference.generation.answering import Answering
from arc_encoder.inference.generation.prompts import Parts, check_number


@torch.no_grad()
def features_of(answering: Answering, prompts: Sequence[Parts], batch_size: int) -> Tensor:
    """Features (B, F) of prompts whose documents are vectors or text; see `prompt_features`."""
    check_number("batch_size", batch_size, lowest=1)
    if not prompts:
        raise DataError("there is no prompt to judge; give one at least")
    order = sorted(range(len(prompts)), key=lambda i: answering.positions(prompts[i]))
    found: dict[int, Tensor] = {}
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        chosen = [prompts[i] for i in places]
        logits, hidden = answering.at_the_end(chosen)
        contexts = [[part for part in parts if isinstance(part, CompressedContext)] for parts in chosen]
        ratios = [
            sum(each.origin.tokens for each in some) / max(sum(map(len, some)), 1) if some else 1.0 for some in contexts
        ]
        fidelities = [
            min((math.nan if c.fidelity is None else c.fidelity for c in some), default=1.0) for some in contexts
        ]
        rows = prompt_features(logits.cpu(), [each.cpu() for each in hidden], ratios, fidelities)
        found.update(zip(places, rows, strict=True))
    return torch.stack([found[i] for i in range(len(prompts))])
