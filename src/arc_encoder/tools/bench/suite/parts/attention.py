"""Attention on a CPU: this project's against PyTorch's kernel, in the shapes of SmolLM2 135M."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from arc_encoder.model.language_models.grouped_attention import grouped_attention
from arc_encoder.tools.bench.suite.figure import Figure, Measurement, in_turns


@dataclass
class Attention(Measurement):
    """One layer.

    Attributes:
        heads, key_heads, width: query heads, heads of keys and values, width of a head.
        rows, keys: of a step of generation.
        samples, tokens: of a training step.
        rounds: how often each is timed.
    """

    heads: int = 9
    key_heads: int = 3
    width: int = 64
    rows: int = 32
    keys: int = 650
    samples: int = 4
    tokens: int = 300
    rounds: int = 9

    def figures(self) -> list[Figure]:
        found = []
        cases = {
            "a step of generation, float32": (self.rows, 1, self.keys, torch.float32, False),
            "a step of generation, bfloat16": (self.rows, 1, self.keys, torch.bfloat16, False),
            "forward and backward, bfloat16": (self.samples, self.tokens, self.tokens, torch.bfloat16, True),
        }
        for name, case in cases.items():
            seconds = in_turns(
                {"kernel": self._call(sdpa_attention_forward, *case), "grouped": self._call(grouped_attention, *case)},
                self.rounds,
            )
            found.append(Figure(f"attention, {name}: ms", 1000 * seconds["grouped"], "ms", more_is_better=False))
            ratio = seconds["kernel"] / seconds["grouped"]
            found.append(Figure(f"attention, {name}: against PyTorch's kernel", ratio, "×", 1.0, "else not taken"))
        return found

    def _call(
        self, attend: Any, rows: int, queries: int, keys: int, dtype: torch.dtype, backward: bool
    ) -> Callable[[], None]:
        layer: Any = SimpleNamespace(num_key_value_groups=self.heads // self.key_heads, is_causal=True)
        shapes = ((self.heads, queries), (self.key_heads, keys), (self.key_heads, keys))
        inputs = [
            torch.randn(rows, heads, length, self.width, dtype=dtype, requires_grad=backward)
            for heads, length in shapes
        ]
        mask = torch.ones(rows, 1, queries, keys, dtype=torch.bool).tril(keys - queries)

        def call() -> None:
            with torch.set_grad_enabled(backward):
                found, _ = attend(layer, *inputs, mask)
                if backward:
                    found.float().sum().backward()

        return call
