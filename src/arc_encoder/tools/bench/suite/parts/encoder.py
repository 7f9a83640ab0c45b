"""The encoder: tokens a second, what it adds to its bare backbone for one short text, and many chunks against few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from arc_encoder.model.encoder.chunking import Chunking
from arc_encoder.tools.bench.suite.figure import Figure, Measurement, in_turns
from arc_encoder.tools.bench.suite.models import (
    DECODER,
    Shape,
    forward_operations,
    product_speed,
    random_body,
    random_compressor,
)


@dataclass
class EncoderSpeed(Measurement):
    """Encoding.

    Attributes:
        shape: of the encoder.
        contexts, tokens: of a batch.
        factor: pooling factor.
        short: tokens of the text that goes alone.
        chunks: numbers of chunks of `tokens` tokens that a long document is cut into.
        rounds: how often each is timed.
    """

    shape: Shape = field(default_factory=Shape)
    contexts: int = 16
    tokens: int = 256
    factor: int = 8
    short: int = 64
    chunks: tuple[int, int] = (8, 32)
    rounds: int = 5

    def figures(self) -> list[Figure]:
        torch.manual_seed(0)
        model = random_compressor(self.shape, self.factor).eval()
        model.chunking = Chunking(self.tokens, max(self.chunks))
        body = random_body(self.shape).eval()
        few, many = sorted(self.chunks)

        def encode(contexts: int, tokens: int, dtype: torch.dtype = torch.float32) -> Callable[[], object]:
            ids = torch.randint(2, self.shape.vocabulary, (contexts, tokens))
            lengths = torch.full((contexts,), tokens)

            @torch.no_grad()
            def call() -> object:
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
                    return model(ids, lengths, DECODER)

            return call

        alone = torch.randint(2, self.shape.vocabulary, (1, self.short))

        @torch.no_grad()
        def bare() -> object:
            return body(alone, is_causal=False, use_cache=False)

        dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16}
        calls = {name: encode(self.contexts, self.tokens, dtype) for name, dtype in dtypes.items()}
        calls |= {"short": encode(1, self.short), "bare": bare}
        calls |= {"few": encode(1, few * self.tokens), "many": encode(1, many * self.tokens)}
        seconds = in_turns(calls, self.rounds)
        tokens, found = self.contexts * self.tokens, []
        for name, dtype in dtypes.items():
            most = tokens * product_speed(self.shape, tokens, dtype) / forward_operations(model, tokens)
            found.append(
                Figure(f"encoder, {name}", tokens / seconds[name], "tokens/s", most, "its matrix products alone")
            )
        ratio = seconds["short"] / seconds["bare"]
        found.append(
            Figure(f"encoder ÷ backbone, {self.short} tokens", ratio, "×", 1.2, "promised", more_is_better=False)
        )
        ratio = seconds["many"] / seconds["few"]
        goal = 1.05 * many / few
        found.append(Figure(f"{many} chunks ÷ {few}", ratio, "×", goal, "promised", more_is_better=False))
        return found
