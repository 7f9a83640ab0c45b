"""How well a decoder predicts what follows, after no context, a compressed one, or the full text."""

from __future__ import annotations

import torch

from arc_encoder.core.errors import at_least
from arc_encoder.core.segments import Role
from arc_encoder.data.tasks import Continuation
from arc_encoder.evaluation.benchmarks.base import Benchmark, ExampleResult, beginning_of, measures
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import System


class ContinuationLoss(Benchmark):
    """Cross-entropy of the continued part, in nats a token.

    Documents are cut by the decoder's tokenizer, so that every system is asked about the same texts, whatever
    its encoder.

    Args:
        task: the continuation task, on held-out documents.
        name: how results call it.
        limit: number of documents.
        seed: which parts of the documents.
        version: raised whenever scores become incomparable.

    Raises:
        ConfigError: a limit below 1.
    """

    def __init__(
        self, task: Continuation, *, name: str = "continuation", limit: int = 500, seed: int = 0, version: int = 1
    ) -> None:
        at_least(1, f"benchmark {name}", limit=limit)
        self.task, self.name, self.limit, self.seed, self.version = task, name, limit, seed, version

    @torch.no_grad()
    def run(self, system: System, session: Session) -> list[ExampleResult]:
        tokenizer = session.decoder.tokenizer
        originals = [self.task.sample(i, self.seed, tokenizer) for i in range(min(self.limit, len(self.task.source)))]
        contexts = [s.text for sample in originals for s in sample.segments if s.role is Role.CONTEXT]
        budgets = session.budgets(contexts) if system.needs_compressor or system.needs_budget else {}
        prompts = [system.continuation(sample, budgets, tokenizer) for sample in originals]
        samples = [session.with_start(prompt.sample) for prompt in prompts]
        losses: dict[int, tuple[float, int]] = {}
        for numbers in session.batches(samples, session.size, self.name):
            batch = session.collate([samples[i] for i in numbers], self.name)
            per_sample = session.model.sample_losses(batch, factor=session.factor)
            losses.update(zip(numbers, per_sample, strict=True))
        results = []
        for i, (original, prompt) in enumerate(zip(originals, prompts, strict=True)):
            total, tokens = losses[i]
            results.append(
                ExampleResult(
                    id=original.id,
                    scores={"loss": total / tokens},
                    weights={"loss": float(tokens)},
                    **measures(prompt, budgets, session),
                    details={
                        "document": beginning_of("\n".join(prompt.documents)),
                        "continuation": "".join(s.text for s in original.segments if s.role is Role.TARGET),
                    },
                )
            )
        return results
