"""Few-shot questions about documents, answered greedily (Pilchen et al., 2025, §4.2 and App. D)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from arc_encoder.core.errors import ConfigError, DataError, at_least
from arc_encoder.core.segments import Role, Sample, Segment
from arc_encoder.data.prompts import SEPARATOR, joined_passages
from arc_encoder.data.records import Question, Source
from arc_encoder.evaluation.benchmarks.base import Benchmark, ExampleResult, beginning_of, measures
from arc_encoder.evaluation.benchmarks.fitting import (
    CHOICES,
    Fitted,
    Overflow,
    Reader,
    fitted,
    warn_of_shortened,
)
from arc_encoder.evaluation.benchmarks.question_file import QuestionFile
from arc_encoder.evaluation.metrics.scoring import LOSS, Scoring
from arc_encoder.evaluation.protocols import Layout, Protocol, Strict
from arc_encoder.evaluation.session.answers import answers
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import Prompt, System


class QuestionAnswering(Benchmark):
    """Questions with k answered examples in front; the answer is cut at the first blank line.

    Args:
        name: how results call it; of a `QuestionFile` the file's own name does.
        source: the questions.
        examples: where examples are drawn from; None holds some questions of `source` out for them.
        shots: examples in a prompt, the same for every system.
        limit: how many questions are asked; None asks all (fewer where examples come from the same source).
        metrics: which scores.
        max_new_tokens: longest answer.
        seed: choice of the examples.
        protocol: which examples, words and accepted answers; None takes `Strict`.
        layout: words of its own around documents and questions; None takes the protocol's.
        overflow: what is done where a prompt and its answer do not fit the decoder's window, or a document is longer
            than the ARC-Encoder reads: ``stop`` with an error, or ``shorten``: leave examples out, then cut the
            document's end, and warn. Each line of the examples says what was done.
        version: raised whenever scores become incomparable.

    Raises:
        ConfigError: no questions, or no name for them, an unknown metric, or a number that is too small.
        DataError: not enough questions for the shots, or a question without an accepted answer.
    """

    def __init__(
        self,
        name: str | None = None,
        source: Source[Question] | None = None,
        *,
        examples: Source[Question] | None = None,
        shots: int = 5,
        limit: int | None = 500,
        metrics: Sequence[str] = ("exact_match", "f1"),
        max_new_tokens: int = 64,
        seed: int = 0,
        protocol: Protocol | None = None,
        layout: Layout | None = None,
        overflow: Overflow = "stop",
        version: int = 1,
    ) -> None:
        if isinstance(source, QuestionFile):
            name, examples = name or source.name, source.examples or examples
            self.asked_from = source.name
        if source is None or name is None:
            raise ConfigError(
                "benchmark: give a name and a source of questions, or the path of a JSONL file as source.path"
            )
        self.name, self.version, self.seed = name, version, seed
        self.shots: int = shots
        self.max_new_tokens = max_new_tokens
        self.scoring, self.overflow = Scoring(metrics), overflow
        if overflow not in CHOICES:
            raise ConfigError(f"benchmark {name}: overflow={overflow!r} is unknown; choose {' or '.join(CHOICES)}")
        at_least(0, f"benchmark {name}", shots=shots)
        at_least(1, f"benchmark {name}", ", or null to ask all questions", limit=limit)
        at_least(1, f"benchmark {name}", max_new_tokens=max_new_tokens)
        rules = protocol or Strict()
        self.protocol, self.layout, self.draws = rules.name, layout or rules, rules.draws and shots > 0
        chosen = rules.choose(name, source, examples, shots=shots, limit=limit, seed=seed, spread=bool(self.asked_from))
        self.examples_of = chosen.examples_of
        self.questions = [replace(question, answers=rules.accepted(name, question)) for question in chosen.questions]
        unanswered = [question.id for question in self.questions if not any(map(str.strip, question.answers))]
        if unanswered:
            shown = ", ".join(unanswered[:3]) + (", …" if len(unanswered) > 3 else "")
            raise DataError(
                f"benchmark {name}: {len(unanswered)} questions have no accepted answer ({shown}); "
                "give each an answer, or leave them out"
            )

    def run(self, system: System, session: Session) -> list[ExampleResult]:
        groups = [[*self.examples_of(i), question] for i, question in enumerate(self.questions)]
        reader = Reader(session)
        shown = self._readable(groups, reader) if system.needs_compressor else groups
        budgets: dict[str, int] = {}
        budgeted = system.needs_compressor or system.needs_budget

        def measure(groups: Sequence[Sequence[Question]]) -> None:
            texts = {
                text
                for group in groups
                for question in group
                for text in self.layout.documents(question, asked=question is group[-1])
            }
            if budgeted:  # who does not compress has the budget of what the ARC-Encoder would read
                beginnings = {text: reader.beginning(text) for text in sorted(texts - budgets.keys())}
                found = session.budgets(beginnings.values())
                budgets.update({text: found[beginning] for text, beginning in beginnings.items()})

        def build(group: Sequence[Question]) -> Prompt:
            measure([group])
            return system.few_shot(group[:-1], group[-1], budgets, session.decoder.tokenizer, self.layout)

        def positions(prompt: Prompt) -> int:
            return session.positions(prompt.sample, budgets)

        measure(shown)
        prompts = []
        for group, whole in zip(shown, groups, strict=True):
            lost = [new is not old for new, old in zip(group, whole, strict=True)]
            prompts.append(fitted(group, build, positions, self._room(group[-1], session), lost))
        warn_of_shortened(
            self.name, self.shots, prompts, session, reader.max_tokens if system.needs_compressor else None
        )
        samples = [each.prompt.sample for each in prompts]
        losses = self._losses(samples, session) if self.scoring.wants_loss else {}  # first: it says what is too long
        said = self._answers(samples, session) if self.scoring.wants_answers else [""] * len(samples)
        return [self._result(i, prompts[i], said[i], losses.get(i), session, budgets) for i in range(len(samples))]

    def _answers(self, samples: Sequence[Sample], session: Session) -> list[str]:
        """What the decoder says after each prompt."""

        def length(sample: Sample) -> int:
            return session.size(sample) + self.max_new_tokens

        return answers(session, samples, length, self.name, max_new_tokens=self.max_new_tokens, stop=[SEPARATOR])

    def _room(self, question: Question, session: Session) -> int | None:
        """Decoder positions that are left for a prompt beside its answer; None is no limit.

        Raises:
            DataError: there is none.
        """
        window = session.decoder.window
        if self.overflow != "shorten" or window is None:
            return None
        answer = self.max_new_tokens
        if self.scoring.wants_loss:
            answer = max(answer, session.text_tokens([" " + question.answers[0]]))
        if answer >= window:
            raise DataError(
                f"benchmark {self.name}: an answer may take {answer} tokens (question {question.id!r}), which leaves nothing "
                f"of the window of {window} of decoder {session.decoder_name!r} for a prompt; give fewer max_new_tokens, leave answer_token_loss out, or choose a decoder that reads more"
            )
        return window - answer

    def _readable(self, groups: list[list[Question]], reader: Reader) -> list[list[Question]]:
        """Examples and queries, with documents that the ARC-Encoder can read.

        Raises:
            DataError: one is too long, and is not to be shortened.
        """
        if self.overflow == "shorten":
            return [reader.group(group, self.layout) for group in groups]
        for group in groups if reader.stops else ():
            reader.refuse(self.name, group, self.layout)
        return groups

    def _losses(self, samples: Sequence[Sample], session: Session) -> dict[int, tuple[float, int]]:
        """Cross-entropy of the first accepted answer after each prompt: sum and number of tokens."""
        answered = [
            replace(sample, segments=(*sample.segments, Segment(_lead(sample) + question.answers[0], Role.TARGET)))
            for sample, question in zip(samples, self.questions, strict=True)
        ]
        losses: dict[int, tuple[float, int]] = {}
        for numbers in session.batches(answered, session.size, f"{self.name}, loss"):
            counted = not self.scoring.wants_answers  # else they were, when they were answered
            batch = session.collate([answered[i] for i in numbers], self.name, counted=counted)
            found = session.model.sample_losses(batch, factor=session.factor)
            losses.update(zip(numbers, found, strict=True))
        return losses

    def _result(
        self,
        number: int,
        shown: Fitted,
        text: str,
        loss: tuple[float, int] | None,
        session: Session,
        budgets: dict[str, int],
    ) -> ExampleResult:
        question, prompt = self.questions[number], shown.prompt
        answer = text.split(SEPARATOR)[0].strip()
        scores, weights = self.scoring.scores(answer, question.answers, joined_passages(question))
        if loss is not None:
            scores[LOSS], weights[LOSS] = loss[0] / loss[1], float(loss[1])
        details: dict[str, Any] = self._seen(question, prompt)
        details |= {"question": question.question, "answer": answer, "accepted": list(question.answers)}
        if shown.examples < self.shots or shown.cut:
            details |= {"examples": shown.examples, "document_cut": shown.cut}
        if shown.examples_cut:
            details |= {"example_documents_cut": shown.examples_cut}
        return ExampleResult(
            id=question.id,
            scores=scores,
            weights=weights,
            **measures(prompt, budgets, session),
            details={**details, **dict(question.conditions)},
            article=question.article,
        )

    def _seen(self, question: Question, prompt: Prompt) -> dict[str, str]:
        """The beginning of the question's own document, and of the text shown in its place, if that differs."""
        document = joined_passages(question)
        seen = {"document": beginning_of(document)} if document.strip() else {}
        if prompt.shown and len(prompt.shown) == len(prompt.documents):
            own = len(self.layout.documents(question, asked=True))
            shown = "\n".join(prompt.shown[-own:] if own else ())
            seen |= {"shown": beginning_of(shown)} if shown != document else {}
        return seen


def _lead(sample: Sample) -> str:
    """White space between the prompt's end and the answer: none where the prompt ends a line."""
    return "" if sample.segments[-1].text.endswith(("\n", " ")) else " "
