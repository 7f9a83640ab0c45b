"""Prompts whose documents are vectors already → answers: in batches, piece by piece, or after one shared beginning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from arc_encoder.core.batch import ArcBatch
from arc_encoder.data.batching.collator import ArcCollator, DecoderText
from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.inference.generation.prompts import Parts, sample_of
from arc_encoder.inference.generation.sampling import Sampling
from arc_encoder.inference.generation.stops import cut, cut_pieces
from arc_encoder.inference.generation.streaming import Abandoned, Pieces, pieces_of
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.decoder.generation.all_answers import generate_all
from arc_encoder.model.decoder.generation.waiting import Waiting
from arc_encoder.model.splice import Layout

ROOM = 64  # positions that are left for an answer


class Answering:
    """A decoder that answers."""

    def __init__(self, arc: ArcForCausalLM, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
        decoder = arc.decoder(name)
        texts = DecoderText(decoder.tokenizer, decoder.bos, decoder.chat)
        self.arc, self.name, self.decoder = arc, name, decoder
        self.collator = ArcCollator(tokenizer, {name: texts})

    def answers(
        self,
        prompts: Sequence[Parts],
        *,
        sampling: Sampling,
        stops: Sequence[str],
        max_new_tokens: int,
        batch_size: int,
    ) -> list[str]:
        """One answer to each prompt."""
        times = repetitions(prompts) if sampling.temperature > 0 else [0] * len(prompts)
        draws = [sampling.processors([time]) for time in times]
        return self._answers(prompts, stops, max_new_tokens, batch_size, processors=draws)

    def answers_after_one_beginning(
        self, prompts: Sequence[Parts], *, stops: Sequence[str], max_new_tokens: int, batch_size: int
    ) -> list[str]:
        """One answer to each of several prompts that are the same up to the end of their document, which is read once."""
        return self._answers(prompts, stops, max_new_tokens, batch_size, alike=_up_to_the_vectors)

    def _answers(
        self, prompts: Sequence[Parts], stops: Sequence[str], max_new_tokens: int, batch_size: int, **options: Any
    ) -> list[str]:
        waiting = Waiting([1] * len(prompts), rows=batch_size)  # their number alone is limited

        def take(running: Sequence[int]) -> ArcBatch | None:
            places = waiting.take(running)
            return self._batch([prompts[place] for place in places], places.start) if places else None

        found = dict(generate_all(self.arc, self.name, take, max_new_tokens=max_new_tokens, stop=stops, **options))
        return [cut(found[place], stops) for place in range(len(prompts))]

    def pieces(self, prompt: Parts, *, sampling: Sampling, stops: Sequence[str], max_new_tokens: int) -> Iterator[str]:
        """The answer to one prompt while it is generated; what fails there is raised here."""
        batch = self._batch([prompt], 0)

        def generate(streamer: Pieces, abandoned: Abandoned) -> None:
            self.arc.generate(
                batch,
                max_new_tokens=max_new_tokens,
                stop=stops,
                processors=sampling.processors([0]),
                streamer=streamer,
                criteria=[abandoned],
            )

        def decode(ids: list[int]) -> str:
            return self.decoder.texts(torch.tensor([ids]), batch.end_ids)[0]

        yield from cut_pieces(pieces_of(generate, decode), stops)

    def at_the_end(self, prompts: Sequence[Parts]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What the decoder makes of prompts at their last positions: logits (B, V), and hidden states (B, E) of each layer."""
        batch = self._batch(prompts, 0)
        embeddings, layout = self.arc.merge(batch)
        last = torch.zeros_like(layout.mask)
        last[torch.arange(len(last)), layout.mask.sum(1) - 1] = True
        with self.arc.decoder_adapter_of(self.name):
            return self.decoder.predict(embeddings, layout.mask, last, with_hidden=True)

    def positions(self, parts: Parts) -> int:
        """Positions that a prompt takes, without what opens every prompt."""
        return sum(
            len(part) if isinstance(part, CompressedContext) else len(self.decoder.token_ids(str(part)))
            for part in parts
        )

    def fits(self, parts: Parts) -> bool:
        """Whether a prompt, with what opens it, leaves room for an answer."""
        window = self.decoder.window
        opened = self._batch([["x"]], 0).text_lengths.sum()  # BOS, or the template of a chat
        return window is None or self.positions(parts) + int(opened) + ROOM <= window

    def _batch(self, prompts: Sequence[Parts], first: int) -> ArcBatch:
        samples = [sample_of(first + number, parts) for number, parts in enumerate(prompts)]
        batch = self.collator(samples, decoder=self.name, task="generate")
        vectors = [part.vectors for parts in prompts for part in parts if isinstance(part, CompressedContext)]
        device = next(self.arc.compressor.parameters()).device
        return (batch.with_vectors(vectors) if vectors else batch).to(device)


def repetitions(prompts: Sequence[Parts]) -> list[int]:
    """For each prompt how many equal ones come before it."""
    seen: dict[Any, int] = {}
    times = []
    for parts in prompts:
        key = tuple(part.origin if isinstance(part, CompressedContext) else part for part in parts)
        times.append(seen.get(key, 0))
        seen[key] = times[-1] + 1
    return times


def _up_to_the_vectors(layout: Layout) -> int:
    """Positions up to the last vector of the first prompt."""
    first = layout.vector_valid & (layout.vector_rows == 0)[:, None]
    return int(layout.vector_positions[first].max()) + 1
