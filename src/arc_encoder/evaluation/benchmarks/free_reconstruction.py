"""What a decoder writes when it is asked to repeat a document: character errors, and the teacher-forced loss.

Character error rate: insertions, deletions and replacements ÷ characters of the text, in percent; 0 is perfect, and
100 is what an empty answer has. The loss shows the decoder every earlier token, the error rate only its own.
"""

from __future__ import annotations

import torch
from torchmetrics.functional.text import char_error_rate

from arc_encoder.core.errors import at_least
from arc_encoder.core.segments import Role, Sample
from arc_encoder.data.tasks import Reconstruction
from arc_encoder.evaluation.benchmarks.base import Benchmark, ExampleResult, beginning_of, measures
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import System


class FreeReconstruction(Benchmark):
    """Character error rate of a document written from its vectors alone.

    Documents are cut by the decoder's tokenizer, so that every system is asked about the same texts.

    Args:
        task: the reconstruction task, on held-out documents.
        name: how results call it.
        limit: number of documents.
        seed: which parts of the documents.
        version: raised whenever scores become incomparable.

    Raises:
        ConfigError: a limit below 1.
    """

    def __init__(
        self, task: Reconstruction, *, name: str = "reconstruction", limit: int = 200, seed: int = 0, version: int = 1
    ) -> None:
        at_least(1, f"benchmark {name}", limit=limit)
        self.task, self.name, self.limit, self.seed, self.version = task, name, limit, seed, version

    @torch.no_grad()
    def run(self, system: System, session: Session) -> list[ExampleResult]:
        tokenizer = session.decoder.tokenizer
        originals = [self.task.sample(i, self.seed, tokenizer) for i in range(min(self.limit, len(self.task.source)))]
        texts = [sample.segments[-1].text for sample in originals]
        budgets = session.budgets(texts) if system.needs_compressor or system.needs_budget else {}
        prompts = [system.continuation(sample, budgets, tokenizer) for sample in originals]
        samples = [session.with_start(prompt.sample) for prompt in prompts]
        results: dict[int, ExampleResult] = {}
        for numbers in session.batches(samples, session.size, self.name):
            batch = session.collate([samples[i] for i in numbers], self.name)
            losses = session.model.sample_losses(batch, factor=session.factor)
            asked = session.collate([_prompt(samples[i], session) for i in numbers], self.name, counted=False)
            tokens = max(len(session.decoder.token_ids(texts[i])) for i in numbers)
            written = session.model.generate(asked, max_new_tokens=tokens, factor=session.factor)
            for number, (total, count), answer in zip(numbers, losses, written, strict=True):
                prompt, text = prompts[number], texts[number]
                results[number] = ExampleResult(
                    id=originals[number].id,
                    scores={
                        "character_error_rate": 100.0 * float(char_error_rate([answer], [text])),
                        "reconstruction_loss": total / count,
                    },
                    weights={"character_error_rate": float(len(text)), "reconstruction_loss": float(count)},
                    **measures(prompt, budgets, session),
                    details={"document": beginning_of(text), "written": beginning_of(answer)},
                )
        return [results[i] for i in range(len(originals))]


def _prompt(sample: Sample, session: Session) -> Sample:
    """What comes before the target."""
    kept = tuple(segment for segment in sample.segments if segment.role is not Role.TARGET)
    return Sample(sample.id, kept, sample.task_token, instruction=sample.instruction)
