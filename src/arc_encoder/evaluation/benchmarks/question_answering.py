"""Few-shot questions about documents, answered greedily (Pilchen et al., 2025, §4.2 and App. D)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from arc_encoder.data.jsonl import JsonlQuestions
from arc_encoder.data.prompts import SEPARATOR, joined_passages
from arc_encoder.data.records import Question, Source
from arc_encoder.errors import ConfigError, DataError
from arc_encoder.evaluation.benchmarks.base import Benchmark, ExampleResult
from arc_encoder.evaluation.metrics import metric
from arc_encoder.evaluation.session import Session
from arc_encoder.evaluation.systems import Prompt, System
from arc_encoder.segments import Sample


class QuestionAnswering(Benchmark):
    """Questions with k answered examples in front; the answer is cut at the first blank line.

    Args:
        name: how results call it; with `path`, the path does.
        source: the questions.
        examples: where examples are drawn from; None draws them from the end of `source`,
            after the questions that are asked.
        path: JSONL file with question, passages and answers, instead of `source` and `examples`.
        shots: examples in a prompt, drawn once for each question by its number and `seed`,
            the same for every system.
        limit: how many questions are asked; None asks all (fewer where examples come from the same source).
        metrics: which scores.
        max_new_tokens: longest answer.
        seed: choice of the examples.
        version: raised whenever scores become incomparable.

    Raises:
        ConfigError: neither source nor path, or an unknown metric.
        DataError: not enough questions for the shots.
    """

    def __init__(
        self,
        name: str | None = None,
        source: Source[Question] | None = None,
        *,
        examples: Source[Question] | None = None,
        path: str | None = None,
        shots: int = 5,
        limit: int | None = 500,
        metrics: Sequence[str] = ("exact_match", "f1"),
        max_new_tokens: int = 64,
        seed: int = 0,
        version: int = 1,
    ) -> None:
        if path is not None:
            source, examples, name = JsonlQuestions(path), None, path
        if source is None or name is None:
            raise ConfigError("benchmark: give a name and a source of questions, or benchmark.path=<file.jsonl>")
        self.name, self.version, self.seed = name, version, seed
        self.shots: int = shots
        self.max_new_tokens = max_new_tokens
        self.metrics = {each: metric(each) for each in metrics}
        if shots < 0:
            raise ConfigError(f"benchmark {name}: shots={shots} must not be negative")
        kept = shots if examples is None else 0
        asked = len(source) - kept if limit is None else min(limit, len(source) - kept)
        if asked < 1 or (examples is not None and len(examples) < shots):
            pool = len(source) if examples is None else len(examples)
            raise DataError(
                f"benchmark {name}: {shots} examples were asked for, but there are only {pool} questions to draw from"
            )
        self.questions = [source[i] for i in range(asked)]
        self._pool, self._pool_start = (source, asked) if examples is None else (examples, 0)

    def examples_of(self, number: int) -> list[Question]:
        """The answered examples in front of question `number`."""
        rng = random.Random(f"examples-{self.seed}-{number}")
        size = min(len(self._pool) - self._pool_start, 100_000)
        return [self._pool[self._pool_start + i] for i in rng.sample(range(size), self.shots)]

    def run(self, system: System, session: Session) -> list[ExampleResult]:
        shown = [[*self.examples_of(i), question] for i, question in enumerate(self.questions)]
        documents = [joined_passages(question) for group in shown for question in group]
        budgets = session.budgets(documents) if system.needs_compressor or system.needs_budget else {}
        tokenizer = session.decoder.tokenizer
        prompts = [system.few_shot(group[:-1], group[-1], budgets, tokenizer) for group in shown]
        samples = [prompt.sample for prompt in prompts]
        answers: dict[int, str] = {}
        for numbers in session.batches(samples, _characters, f"{self.name}"):
            batch = session.collate([samples[i] for i in numbers], self.name)
            texts = session.model.generate(
                batch, max_new_tokens=self.max_new_tokens, factor=session.factor, stop=SEPARATOR
            )
            answers.update(zip(numbers, texts, strict=True))
        return [self._result(i, prompts[i], answers[i], session, budgets) for i in range(len(samples))]

    def _result(
        self, number: int, prompt: Prompt, text: str, session: Session, budgets: dict[str, int]
    ) -> ExampleResult:
        question = self.questions[number]
        answer = text.split(SEPARATOR)[0].strip()
        return ExampleResult(
            id=question.id,
            scores={name: score(answer, question.answers) for name, score in self.metrics.items()},
            document_positions=session.document_positions(prompt.sample, prompt.shown, budgets),
            document_tokens=session.text_tokens(prompt.documents),
            details={"question": question.question, "answer": answer, "accepted": list(question.answers)},
        )


def _characters(sample: Sample) -> int:
    return sum(len(segment.text) for segment in sample.segments)
