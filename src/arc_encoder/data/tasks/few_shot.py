"""Few-shot fine-tuning: every document compressed, loss on the last answer (Pilchen et al., 2025, App. C.3)."""

from __future__ import annotations

from dataclasses import replace

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import ConfigError, at_least
from arc_encoder.core.segments import Instruction, Role, Sample, Segment, TaskToken
from arc_encoder.data.prompts import few_shot_segments, joined_passages
from arc_encoder.data.records import Question, Source
from arc_encoder.data.schedule.order import shuffled
from arc_encoder.data.tasks.base import Task, first_tokens

NOTHING = Instruction()  # the questions say what is wanted


class FewShot(Task):
    """Questions with fresh examples of the same subset in front; never the question itself.

    Args:
        source: questions of one subset (mix several tasks for several subsets).
        shots: most examples in a prompt; each sample draws their number from 0 … shots if
            `vary_shots`, otherwise exactly so many.
        vary_shots: draw the number of examples.
        max_passages: passages of a document: a random number from 1 to this many, joined.
        max_tokens: encoder tokens of a document, of which a longer one keeps the first; None keeps all. The method
            compresses at most 2048 at once (Pilchen et al., 2025, App. C).
        max_answer: encoder tokens of an answer, of which a longer one keeps the first; None keeps all. One answer of
            thousands of tokens in a data set of short ones takes more memory than all the rest of a run.
        loss_on_examples: also train on the examples' answers (the method does not).
        share: how much of the training this task gets.
        instruction: what a chat decoder is told around the questions; nothing by default.

    Raises:
        ConfigError: more shots than the source has other questions, or (once drawn) questions of several subsets.
    """

    lengths_vary = True

    def __init__(
        self,
        source: Source[Question],
        *,
        shots: int = 5,
        vary_shots: bool = False,
        max_passages: int = 1,
        max_tokens: int | None = 2048,
        max_answer: int | None = 512,
        loss_on_examples: bool = False,
        share: float = 1.0,
        instruction: Instruction = NOTHING,
    ) -> None:
        super().__init__(share)
        at_least(0, "few-shot", shots=shots)
        at_least(1, "few-shot", max_passages=max_passages)
        if len(source) <= shots:
            raise ConfigError(
                f"few-shot: {shots} examples were asked for, but the source has only {len(source)} questions"
            )
        at_least(1, "few-shot", ", or null for no limit", max_tokens=max_tokens, max_answer=max_answer)
        self.source, self.shots, self.vary_shots, self.max_tokens = source, shots, vary_shots, max_tokens
        self.max_answer = max_answer
        self.max_passages, self.loss_on_examples, self.instruction = max_passages, loss_on_examples, instruction

    @property
    def has_text_form(self) -> bool:
        return self.max_tokens is not None

    def sample(self, index: int, seed: int, tokenizer: PreTrainedTokenizerBase) -> Sample:
        rng = self.random(index, seed)
        size = len(self.source)
        place = shuffled(index, size, seed)
        shots = rng.randint(0, self.shots) if self.vary_shots else self.shots
        others: dict[int, None] = {}  # an ordered set
        while len(others) < shots:
            other = rng.randrange(size)
            if other != place:
                others[other] = None
        drawn = []
        for number in [*others, place]:
            question = self.source[number]
            answer = first_tokens(question.answers[0], self.max_answer, tokenizer)
            question = replace(question, answers=(answer, *question.answers[1:]))
            count = rng.randint(1, min(self.max_passages, len(question.passages)))
            drawn.append((question, first_tokens(joined_passages(question, count), self.max_tokens, tokenizer)))
        subsets = sorted({question.subset for question, _ in drawn})
        if len(subsets) > 1:
            raise ConfigError(
                f"few-shot: one source holds the subsets {', '.join(subsets)}; give each its own task, or choose one with `subset`"
            )
        segments = few_shot_segments(
            drawn[:-1], drawn[-1], answers=Role.TARGET if self.loss_on_examples else Role.PLAIN
        )
        segments.append(Segment(" " + drawn[-1][0].answers[0], Role.TARGET))
        return Sample(
            id=drawn[-1][0].id,
            segments=tuple(segments),
            task_token=TaskToken.CONTINUE,
            end_of_text=True,
            instruction=self.instruction,
        )
