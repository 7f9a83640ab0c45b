"""Which answered examples come before a question: a pool that is not asked, and what is drawn from it.

Follows the method's few-shot prompts (Pilchen et al., 2025, §4.2 and App. D), whose examples are never what is asked.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

from arc_encoder.data.prompts import joined_passages
from arc_encoder.data.records import Question, Source

LARGEST_POOL = 100
SHARE = 10  # of the questions of a file, one in so many is an example
MORE_READ = 100  # records that are read beyond the first draw, where some of it may not be shown


class Some:
    """Some of a source's questions."""

    def __init__(self, source: Source[Question], places: Sequence[int]) -> None:
        self.source, self.places = source, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Question:
        return self.source[self.places[index]]


def held_out(count: int, shots: int) -> list[int]:
    """Places of the questions that are not asked, but drawn from: the same for every seed.

    They are one at random out of each of as many equal stretches, so that files ordered by document give
    examples about many documents.

    Returns:
        the larger of `shots` and a tenth of the questions (at most 100), in the order of the file.
    """
    size = max(shots, min(LARGEST_POOL, count // SHARE))
    rng = random.Random(f"pool-{count}-{size}")
    bounds = [count * number // size for number in range(size + 1)]
    return [rng.randrange(begin, end) for begin, end in pairwise(bounds)]


def drawn(pool: Source[Question], size: int, query: Question, *, shots: int, rng: random.Random) -> list[Question]:
    """Examples for a question out of the first `size` records of `pool`.

    The question itself is never among them, and a question about the same document only where the pool has
    no others. Only a handful of records is read.

    Returns:
        `shots` of them, fewer only where the question itself is among too few.
    """
    first = rng.sample(range(size), shots)
    found = [pool[place] for place in first]
    allowed = [example for example in found if not _same_document(example, query)]
    if len(allowed) == shots:
        return allowed
    seen = set(first)
    for place in rng.sample(range(size), min(size, shots + MORE_READ)):
        if place in seen:
            continue
        example = pool[place]
        found.append(example)
        if not _same_document(example, query):
            allowed.append(example)
        if len(allowed) == shots:
            return allowed
    about_the_same = [example for example in found if _same_document(example, query) and not _itself(example, query)]
    return [*allowed, *about_the_same][:shots]


def _same_document(example: Question, query: Question) -> bool:
    """Whether both are about one document; questions without any share none, but one is the other all the same."""
    document = joined_passages(query)
    return _itself(example, query) or (bool(document.strip()) and joined_passages(example) == document)


def _itself(example: Question, query: Question) -> bool:
    """Whether the example is the question: the same words about the same document, or under the same id."""
    if example.question != query.question:
        return False
    same_answer = bool(set(example.answers) & set(query.answers))  # numbered sources give the same ids for others
    return joined_passages(example) == joined_passages(query) or (example.id == query.id and same_answer)
