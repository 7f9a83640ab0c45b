"""Answers to any number of prompts, of which only so many are under way at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from transformers import LogitsProcessor

from arc_encoder.core.batch import ArcBatch
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.decoder.generation.refill import EachRow, Refill, can_refill
from arc_encoder.model.splice import Layout


@torch.no_grad()
def generate_all(
    arc: ArcForCausalLM,
    name: str,
    take: Callable[[Sequence[int]], ArcBatch | None],
    *,
    max_new_tokens: int,
    factor: float | None = None,
    stop: Sequence[str] = (),
    processors: Sequence[Sequence[LogitsProcessor]] = (),
    alike: Callable[[Layout], int] | None = None,
) -> Iterator[tuple[int, str]]:
    """Answers to prompts, as they end: where some end, others take their places.

    A decoder whose rows cannot join and leave answers one batch after the other.

    Args:
        name: of the decoder.
        take: is told the places of the prompts that are being answered, and gives the next ones, in their order; None
            where none fits beside them, or none is left. With nothing under way one always fits.
        max_new_tokens: longest answer, in decoder tokens.
        factor: pooling factor instead of the batches'.
        stop: texts after any of which nothing more is needed.
        processors: for each prompt what changes the logits before the likeliest token is taken.
        alike: positions that open every prompt alike, if that is known; else it is looked for.

    Yields:
        the place of a prompt in the order in which they were taken, and its answer.
    """
    decoder = arc.decoder(name)
    read = 0
    if not can_refill(decoder):
        while (batch := take([])) is not None:
            own = processors[read : read + len(batch.sample_ids)]
            changes = [EachRow(own)] if any(own) else []
            texts = arc.generate(batch, max_new_tokens=max_new_tokens, factor=factor, stop=stop, processors=changes)
            yield from enumerate(texts, read)
            read += len(batch.sample_ids)
        return
    refill = Refill(decoder, max_new_tokens=max_new_tokens, stop=stop)
    while True:
        if refill.wants_more:
            yield from refill.drop()
            batch = take(refill.places)
            if batch is not None:
                embeddings, layout = arc.merge(batch, factor=factor)
                with arc.decoder_adapter_of(name):
                    refill.read(
                        embeddings,
                        layout.mask,
                        end_ids=batch.end_ids,
                        processors=processors[read : read + len(batch.sample_ids)],
                        alike=None if alike is None else alike(layout),
                    )
                read += len(batch.sample_ids)
                continue
            if not refill.places:
                return
        with arc.decoder_adapter_of(name):
            refill.step()
