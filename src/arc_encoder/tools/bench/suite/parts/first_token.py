"""Time to the first token: a document as text, as vectors that are made now, and as stored vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from arc_encoder.core.batch import ArcBatch
from arc_encoder.model.encoder.chunking import Chunking
from arc_encoder.tools.bench.suite.figure import Figure, Measurement, in_turns
from arc_encoder.tools.bench.suite.models import DECODER, Shape, random_arc_model, random_batch
from arc_encoder.tools.planning.costs.work import prefill_work


@dataclass
class FirstToken(Measurement):
    """One prompt at a time, with a question behind its document.

    Attributes:
        shape: of encoder and decoder, of SmolLM2 135M by default.
        encoder_layers: layers of the encoder.
        documents: lengths in tokens.
        factors: pooling factors.
        chunk: tokens that are encoded at once.
        question: tokens behind the document.
        dtype: of decoder and computation.
        rounds: how often each is timed.
    """

    shape: Shape = field(default_factory=lambda: Shape(576, 30, 9, 49152, 3))
    encoder_layers: int = 6
    documents: Sequence[int] = (1024, 4096)
    factors: Sequence[int] = (4, 8)
    chunk: int = 512
    question: int = 16
    dtype: str = "bfloat16"
    rounds: int = 3

    def figures(self) -> list[Figure]:
        torch.manual_seed(0)
        dtype = getattr(torch, self.dtype)
        model = random_arc_model(self.shape, max(self.factors), dtype)
        compressor: Any = model.compressor
        compressor.encoder.backbone.layers = torch.nn.ModuleList(
            [*compressor.encoder.backbone.layers[: self.encoder_layers - 1], compressor.encoder.backbone.layers[-1]]
        )
        compressor.chunking = Chunking(self.chunk, -(-max(self.documents) // self.chunk))
        found: list[Figure] = []
        for tokens in self.documents:
            found += self._of_length(model.eval(), tokens, dtype)
        return found

    def _of_length(self, model: Any, tokens: int, dtype: torch.dtype) -> list[Figure]:
        def ask(batch: ArcBatch, factor: int | None) -> Callable[[], object]:
            def call() -> object:
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
                    return model.generate(batch, max_new_tokens=1, factor=factor)

            return call

        calls, work = {"text": ask(random_batch(self.shape, context=0, text=1 + tokens + self.question), None)}, {}
        work["text"] = self._operations(model, tokens + self.question, 0, 0, None)
        for factor in self.factors:
            cold = random_batch(self.shape, context=tokens, text=1 + self.question)
            with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
                vectors, counts = model.compressor(
                    cold.context_ids, cold.context_lengths, DECODER, cold.task_token, factor
                )
            stored = replace(cold, vectors=vectors.to(dtype), vector_counts=counts)
            positions = int(counts[0]) + 1 + self.question
            calls |= {f"×{factor}, cold": ask(cold, factor), f"×{factor}, stored": ask(stored, factor)}
            work[f"×{factor}, cold"] = self._operations(model, positions, 1, tokens, factor)
            work[f"×{factor}, stored"] = self._operations(model, positions, 0, 0, None)
        seconds = in_turns(calls, self.rounds)
        title = f"first token, {tokens} tokens"
        found = [Figure(f"{title}, text", 1000 * seconds["text"], "ms", more_is_better=False)]
        for name in calls.keys() - {"text"}:
            gain, implied = seconds["text"] / seconds[name], work["text"] / work[name]
            found.append(Figure(f"{title}, {name}: times as fast as text", gain, "×", 0.9 * implied, "0.9 of FLOPs"))
        return sorted(found, key=lambda each: each.name)

    def _operations(self, model: Any, positions: int, contexts: int, tokens: int, factor: int | None) -> float:
        return sum(
            prefill_work(model, DECODER, contexts=contexts, context_tokens=tokens, positions=positions, factor=factor)
        )
