"""Answering many prompts that begin alike: reading, steps of generation, and memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from arc_encoder.core.compute import peak_memory_gib, reset_peak_memory
from arc_encoder.tools.bench.suite.figure import Figure, Measurement, in_turns
from arc_encoder.tools.bench.suite.models import DECODER, Shape, forward_operations, product_speed, random_arc_model


@dataclass
class Generation(Measurement):
    """Prompts as an evaluation asks them.

    Attributes:
        shape: of the decoder, of SmolLM2 135M by default.
        prompts: at once.
        shared: positions that all prompts begin with.
        own: positions of each behind them.
        new_tokens: of an answer.
        dtype: of the decoder.
        rounds: how often each is timed.
    """

    shape: Shape = field(default_factory=lambda: Shape(576, 30, 9, 49152, 3))
    prompts: int = 32
    shared: int = 400
    own: int = 200
    new_tokens: int = 16
    dtype: str = "bfloat16"
    rounds: int = 3

    @torch.no_grad()
    def figures(self) -> list[Figure]:
        torch.manual_seed(0)
        dtype, cpu = getattr(torch, self.dtype), torch.device("cpu")
        model = random_arc_model(self.shape, 1, dtype)
        decoder = model.decoder(DECODER)
        ids = torch.randint(2, self.shape.vocabulary, (self.prompts, self.shared + self.own))
        ids[:, : self.shared] = ids[:1, : self.shared]
        embeddings, mask = decoder.embed(ids), torch.ones(ids.shape, dtype=torch.bool)

        def answer(tokens: int, *, once: bool) -> torch.Tensor:
            prefix = decoder.read_prefix(embeddings[:1, : self.shared]) if once else None
            return decoder.generate(embeddings, mask, max_new_tokens=tokens, prefix=prefix)

        reset_peak_memory(cpu)
        before = peak_memory_gib(cpu)
        answer(self.new_tokens, once=True)
        memory = peak_memory_gib(cpu) - before
        seconds = in_turns(
            {
                "first": lambda: answer(1, once=True),
                "whole": lambda: answer(self.new_tokens, once=True),
                "each": lambda: answer(self.new_tokens, once=False),
            },
            self.rounds,
        )
        read = self.shared + self.prompts * self.own
        most = read * product_speed(self.shape, self.own, dtype) / forward_operations(decoder.model, read)
        step = (seconds["whole"] - seconds["first"]) / max(1, self.new_tokens - 1)
        return [
            Figure("answers: reading", read / seconds["first"], "tokens/s", most, "its matrix products alone"),
            Figure(f"answers: a step of {self.prompts} rows", 1000 * step, "ms", more_is_better=False),
            Figure("answers: prompts", self.prompts / seconds["whole"], "prompts/s"),
            Figure(
                "answers: a shared beginning read once", seconds["each"] / seconds["whole"], "×", 1.0, "else useless"
            ),
            Figure("answers: memory", memory, "GiB", 2.5, "promised", more_is_better=False),
        ]
