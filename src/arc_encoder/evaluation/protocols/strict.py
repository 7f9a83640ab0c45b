"""Our own protocol: fresh examples for each question, the same for every system, and all accepted answers.

It is the published protocol (Pilchen et al., 2025, §4.2 and App. D) without the slips of the public
implementation; docs/evaluation.md lists the differences.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from arc_encoder.data.prompts import few_shot_segments, joined_passages, merge_plain
from arc_encoder.data.records import Question, Source
from arc_encoder.errors import DataError
from arc_encoder.evaluation.protocols.base import Chosen, Protocol, Shown
from arc_encoder.segments import Role, Segment

MOST_DRAWN_FROM = 100_000


class Strict(Protocol):
    """Examples are drawn once for each question, by its number and the seed.

    Where they come from the source that is asked, they come from the part of it that is not asked.
    The passages of a question are joined and shown as one document, in examples and in the query alike.
    """

    name = "strict"

    def choose(
        self,
        benchmark: str,
        source: Source[Question],
        pool: Source[Question] | None,
        *,
        shots: int,
        limit: int | None,
        seed: int,
    ) -> Chosen:
        kept = shots if pool is None else 0
        asked = len(source) - kept if limit is None else min(limit, len(source) - kept)
        if asked < 1 or (pool is not None and len(pool) < shots):
            there = len(source) if pool is None else len(pool)
            raise DataError(
                f"benchmark {benchmark}: {shots} examples were asked for, but there are only {there} questions to draw from"
            )
        examples, start = (source, asked) if pool is None else (pool, 0)
        size = min(len(examples) - start, MOST_DRAWN_FROM)

        def examples_of(number: int) -> list[Question]:
            rng = random.Random(f"examples-{seed}-{number}")
            return [examples[start + i] for i in rng.sample(range(size), shots)]

        return Chosen([source[i] for i in range(asked)], examples_of)

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
