"""What an evaluation cost: how much was read, how long the first token takes, how much memory was used."""

from __future__ import annotations

import statistics
import time
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch

from arc_encoder.core.batch import ArcBatch
from arc_encoder.evaluation.session.vector_cache import VectorCache
from arc_encoder.model.arc_model import ArcForCausalLM

TIMED = 8  # fewest prompts whose first token is timed, if there are as many; at most twice as many


@dataclass
class Meter:
    """Counts prompts as they are collated; targets, which an evaluation of losses adds to them, do not count."""

    prompts: int = 0
    contexts: int = 0
    context_tokens: int = 0
    text_tokens: int = 0
    _stride: int = 1  # every so many-th prompt is kept, to be timed
    _kept: list[ArcBatch] = field(default_factory=list)

    def count(self, batch: ArcBatch) -> None:
        """Add a batch of prompts."""
        for number in range(len(batch.sample_ids)):
            if (self.prompts + number) % self._stride == 0:
                self._kept.append(prompt_of(batch, number))
                if len(self._kept) > 2 * TIMED:
                    self._kept, self._stride = self._kept[::2], 2 * self._stride
        self.prompts += len(batch.sample_ids)
        self.contexts += len(batch.context_lengths)
        self.context_tokens += batch.encoder_tokens
        self.text_tokens += int(batch.text_lengths.sum()) - batch.target_tokens

    def reset(self) -> None:
        """Start again."""
        self.prompts = self.contexts = self.context_tokens = self.text_tokens = 0
        self._kept, self._stride = [], 1

    def first_token_ms(self, model: ArcForCausalLM, factor: int | None) -> float:
        """Median milliseconds until a prompt's first token, over prompts spread over all, one at a time, contexts encoded each time."""
        times = []
        compressor = model.compressor if model.has_compressor else None
        with compressor.forgetting() if isinstance(compressor, VectorCache) else nullcontext():
            for number, single in enumerate([*self._kept[:1], *self._kept]):  # the first of all warms up
                wait(single)
                start = time.perf_counter()
                model.generate(single, max_new_tokens=1, factor=factor)
                wait(single)
                if number:
                    times.append(1000 * (time.perf_counter() - start))
        return statistics.median(times)


def prompt_of(batch: ArcBatch, number: int) -> ArcBatch:
    """One sample of a batch as a batch of its own, without padding and without its target, which comes last."""
    own = batch.context_rows == number
    length = int(batch.text_lengths[number]) - int(batch.target_mask[number].sum())
    contexts = batch.context_lengths[own]
    longest = int(contexts.max()) if len(contexts) else 0
    return ArcBatch(
        task=batch.task,
        decoder=batch.decoder,
        task_token=batch.task_token,
        sample_ids=batch.sample_ids[number : number + 1],
        context_ids=batch.context_ids[own][:, :longest],
        context_lengths=contexts,
        context_rows=torch.zeros_like(batch.context_rows[own]),
        context_positions=batch.context_positions[own],
        text_ids=batch.text_ids[number : number + 1, :length],
        text_lengths=torch.tensor([length], device=batch.text_lengths.device),
        target_mask=batch.target_mask[number : number + 1, :length],
        factor=batch.factor,
        end_ids=batch.end_ids,
    )


def wait(batch: ArcBatch) -> None:
    """Until the GPU has done its work."""
    if batch.text_ids.device.type == "cuda":
        torch.cuda.synchronize(batch.text_ids.device)
