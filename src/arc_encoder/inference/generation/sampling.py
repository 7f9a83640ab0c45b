"""How the next token is chosen: the likeliest, or drawn, reproducibly and whatever else is in the batch.

Shape legend: B rows, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import LogitsProcessor, TopPLogitsWarper

from arc_encoder.core.errors import ConfigError


@dataclass(frozen=True)
class Sampling:
    """Settings of a draw.

    Attributes:
        temperature: 0 takes the likeliest token.
        top_p: draw from the likeliest tokens that together have this probability.
        seed: of the draws; a prompt has the same answer whatever else is asked with it.

    Raises:
        ConfigError: a value outside its range.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("temperature", "top_p"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"{name}={value!r} must be a number")
        if not 0 <= self.temperature < math.inf:
            raise ConfigError(f"temperature={self.temperature!r} must be 0 (the likeliest token) or above")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p={self.top_p!r} must be above 0 and at most 1")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ConfigError(f"seed={self.seed!r} must be a whole number")

    def processors(self, repetitions: Sequence[int]) -> list[LogitsProcessor]:
        """What turns the likeliest token into a drawn one.

        Args:
            repetitions: for each row, how often its prompt was asked before: each time is a draw of its own.
        """
        return [Draw(self, repetitions)] if self.temperature > 0 else []


class Draw(LogitsProcessor):
    """Adds Gumbel noise, whose maximum is a draw from the softmax (Gumbel, 1954); every row has a generator of its own."""

    def __init__(self, sampling: Sampling, repetitions: Sequence[int]) -> None:
        self.temperature = sampling.temperature
        self.warper = TopPLogitsWarper(top_p=sampling.top_p) if sampling.top_p < 1 else None
        self.generators = [torch.Generator().manual_seed(hash((sampling.seed, time)) % 2**63) for time in repetitions]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        warmed = scores.float() / self.temperature
        if self.warper is not None:
            warmed = self.warper(input_ids, warmed)
        noise = torch.stack([torch.empty(scores.shape[1]).exponential_(generator=each) for each in self.generators])
        return warmed - noise.log().to(warmed.device)
