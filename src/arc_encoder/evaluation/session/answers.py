"""Answers to prompts, as many of them under way at a time as a session allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tqdm import tqdm

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.segments import Sample
from arc_encoder.evaluation.session.session import Session
from arc_encoder.model.decoder.generation.all_answers import generate_all
from arc_encoder.model.decoder.generation.waiting import Waiting


def answers(
    session: Session,
    samples: Sequence[Sample],
    length: Callable[[Sample], int],
    title: str,
    *,
    max_new_tokens: int,
    stop: Sequence[str],
) -> list[str]:
    """A greedy answer to each sample, under a progress bar.

    Args:
        length: of a sample with its answer, in decoder positions.
        title: of the bar, and the batches' task.
        max_new_tokens: longest answer.
        stop: texts after any of which nothing more is needed.
    """
    lengths = [length(sample) for sample in samples]
    order = sorted(range(len(samples)), key=lambda i: -lengths[i])
    waiting = Waiting([lengths[i] for i in order], rows=session.batch_size, positions=session.batch_positions)

    def take(running: Sequence[int]) -> ArcBatch | None:
        places = waiting.take(running)
        return session.collate([samples[order[place]] for place in places], title) if places else None

    made = generate_all(
        session.model,
        session.decoder_name,
        take,
        max_new_tokens=max_new_tokens,
        factor=session.factor,
        stop=stop,
    )
    bar = tqdm(made, total=len(samples), desc=title, unit="example", disable=not session.progress, leave=False)
    found = {order[place]: text for place, text in bar}
    return [found[number] for number in range(len(samples))]
