"""Our own protocol: fresh examples for each question, the same for every system, and all accepted answers.

It is the published protocol (Pilchen et al., 2025, §4.2 and App. D) without the slips of the public
implementation; docs/evaluation.md lists the differences.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import islice

from arc_encoder.core.errors import DataError
from arc_encoder.core.segments import Role, Segment
from arc_encoder.data.prompts import few_shot_segments, joined_passages, merge_plain
from arc_encoder.data.records import Question, Source
from arc_encoder.evaluation.protocols.base import Chosen, Protocol, Shown
from arc_encoder.evaluation.protocols.drawing import Some, drawn, held_out

MOST_DRAWN_FROM = 100_000


class Strict(Protocol):
    """Examples are drawn for each question, by its number and the seed, and are about other documents than it.

    Where they come from the source that is asked, some of its questions are held out for them
    (`drawing.held_out`) and all others are asked, in order: the same ones at every number of shots of a command.
    The passages of a question are joined and shown as one document, in examples and in the query alike.

    Args:
        fixed_examples: the same examples in front of every question, drawn by the seed alone, as many harnesses have
            it. The decoder reads them once for a whole batch, which makes an evaluation several times faster; what is
            asked about one of their documents is left out. Results name this protocol ``fixed``.
    """

    def __init__(self, fixed_examples: bool = False) -> None:
        self.name = "fixed" if fixed_examples else "strict"
        self.fixed_examples = fixed_examples

    def choose(
        self,
        benchmark: str,
        source: Source[Question],
        pool: Source[Question] | None,
        *,
        shots: int,
        limit: int | None,
        seed: int,
        spread: bool = False,
    ) -> Chosen:
        there = len(source) if pool is None else len(pool)
        max_shots = shots if pool is not None else max(shots, self.max_shots)
        needed = max_shots + (pool is None)
        if len(source) < 1 or there < needed:
            raise DataError(
                f"benchmark {benchmark}: {max_shots} examples were asked for, but there are only {there} questions to draw from"
            )
        kept = held_out(len(source), max_shots) if pool is None and max_shots else []
        examples: Source[Question] = Some(source, kept) if pool is None else pool
        left_out = set(kept)
        size = min(len(examples), MOST_DRAWN_FROM)
        fixed = self._fixed(examples, size, shots, seed) if self.fixed_examples else []
        theirs = {joined_passages(example) for example in fixed}
        askable = (
            i for i in range(len(source)) if i not in left_out and not (theirs and joined_passages(source[i]) in theirs)
        )
        if spread and limit is not None:
            every = list(askable)
            asked = every if limit >= len(every) else [every[i * len(every) // limit] for i in range(limit)]
        else:
            asked = list(islice(askable, limit))
        if not asked:
            raise DataError(f"benchmark {benchmark}: every question is about a document of the {shots} examples")

        def examples_of(number: int) -> list[Question]:
            if self.fixed_examples:
                return fixed
            rng = random.Random(f"examples-{seed}-{number}")
            query = source[asked[number]]
            found = drawn(examples, size, query, shots=shots, rng=rng)
            if len(found) < shots:
                raise DataError(
                    f"benchmark {benchmark}: question {query.id!r} is among its own examples, and only {len(found)} "
                    f"others could be drawn for {shots} shots; give more examples, or fewer shots"
                )
            return found

        return Chosen([source[i] for i in asked], examples_of)

    @staticmethod
    def _fixed(examples: Source[Question], size: int, shots: int, seed: int) -> list[Question]:
        places = random.Random(f"examples-{seed}").sample(range(size), shots)
        return [examples[place] for place in places]

    def accepted(self, benchmark: str, question: Question) -> tuple[str, ...]:
        return question.answers

    def documents(self, question: Question, *, asked: bool) -> list[str]:
        return [joined_passages(question)]

    def segments(self, examples: Sequence[Shown], query: Shown) -> list[Segment]:
        drawn = [(question, "") for question, _ in [*examples, query]]
        shown = [documents[0] for _, documents in [*examples, query]]
        if all(segment is None for segment in shown):
            return few_shot_segments(drawn[:-1], drawn[-1], context=None)
        waiting = iter(shown)
        marked = few_shot_segments(drawn[:-1], drawn[-1], context=Role.CONTEXT)
        chosen = [next(waiting) if segment.role is Role.CONTEXT else segment for segment in marked]
        return merge_plain([segment for segment in chosen if segment is not None])
