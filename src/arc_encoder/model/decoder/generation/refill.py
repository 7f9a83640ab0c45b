"""Many prompts, answered together: where answers end, their rows are dropped and new prompts take their places.

In a batch that is generated as a whole, every row waits for the longest answer. Here a prompt that joins is read by
itself, and its keys and values are put beside those of the rows that are under way. Each answer is what the prompt
alone would get.

Shape legend: B prompts, T positions of the longest, P positions of a shared beginning, E decoder width, V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor

from arc_encoder.model.decoder.frozen_decoder import FrozenDecoder
from arc_encoder.model.decoder.generation.prefix import Prefix, counts_slots, shared_beginning
from arc_encoder.model.decoder.generation.roomy_cache import MOST_ROOM, roomy_cache
from arc_encoder.model.decoder.generation.running_rows import RunningRows
from arc_encoder.model.decoder.output_layer.chosen_logits import forward_at

WAIT = 8  # rows are dropped when one in so many has ended: doing so copies the keys and values of all others


def can_refill(decoder: FrozenDecoder) -> bool:
    """Whether rows of a decoder can join and leave: it keeps keys and values of every position, and counts positions."""
    model: Any = decoder.model
    keeps = roomy_cache(model.config, 0) is not None and not getattr(model, "_is_stateful", False)
    return keeps and not counts_slots(model.config)


class EachRow(LogitsProcessor):
    """Changes the logits of every row by processors of its own."""

    def __init__(self, rows: Sequence[Sequence[LogitsProcessor]]) -> None:
        self.rows = rows

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        for number, processors in enumerate(self.rows):
            for each in processors:
                part = slice(number, number + 1)
                scores[part] = each(input_ids[part], scores[part])
        return scores


@dataclass
class Running:
    """An answer that is being generated.

    Attributes:
        place: of its prompt among all.
        most: columns that its row takes at most.
        end_ids: ids that end it.
        processors: what changes its logits.
        ids: what it has said.
    """

    place: int
    most: int
    end_ids: frozenset[int]
    processors: Sequence[LogitsProcessor]
    ids: list[int] = field(default_factory=list)
    ended: bool = False


class Refill:
    """The rows of one decoder that are under way.

    Args:
        max_new_tokens: most ids of an answer.
        stop: texts that end one.
    """

    def __init__(self, decoder: FrozenDecoder, *, max_new_tokens: int, stop: Sequence[str] = ()) -> None:
        self.decoder, self.max_new_tokens, self.stop = decoder, max_new_tokens, stop
        self.rows = RunningRows(min(max_new_tokens, MOST_ROOM))
        self.running: list[Running] = []
        self._takes_positions = "position_ids" in inspect.signature(decoder.model.forward).parameters
        self._longest_stop = max((len(each.encode()) for each in stop), default=0)
        self._read = 0  # prompts so far
        self._beginning: tuple[Tensor, Prefix] | None = None  # (P, E), and its keys and values

    @property
    def places(self) -> list[int]:
        """Of the prompts whose answers have not ended."""
        return [each.place for each in self.running if not each.ended]

    @property
    def wants_more(self) -> bool:
        """Whether so many answers have ended that it is worth dropping them."""
        ended = sum(each.ended for each in self.running)
        too_wide = ended > 0 and self.rows.mask.shape[1] >= max(
            (e.most for e in self.running if not e.ended), default=0
        )
        return ended * WAIT >= len(self.running) or too_wide

    def drop(self) -> list[tuple[int, str]]:
        """Take out the answers that have ended: the place of each and its text."""
        ended = [each for each in self.running if each.ended]
        if ended:
            self.rows.keep([row for row, each in enumerate(self.running) if not each.ended])
            self.running = [each for each in self.running if not each.ended]
        return [(e.place, self.decoder.texts(torch.tensor([e.ids]), tuple(e.end_ids))[0]) for e in ended]

    @torch.no_grad()
    def read(
        self,
        embeddings: Tensor,
        mask: Tensor,
        *,
        end_ids: Sequence[int] = (),
        processors: Sequence[Sequence[LogitsProcessor]] = (),
        alike: int | None = None,
    ) -> None:
        """Read new prompts, and say the first token of each.

        Args:
            embeddings: (B, T, E), padded on the right.
            mask: (B, T) True at real positions.
            end_ids: ids that end an answer, besides EOS.
            processors: for each prompt what changes its logits before the likeliest token is taken.
            alike: P, where it is known that all prompts begin alike; None looks for it.
        """
        decoder, here, longest = self.decoder, self.decoder.device, mask.shape[1]
        decoder.check_length(longest + self.max_new_tokens)
        embeddings, mask = embeddings.to(here), mask.to(here)
        prefix = self._prefix(embeddings, mask, alike)
        start = 0 if prefix is None else prefix.length
        cache: Any = roomy_cache(decoder.model.config, 0) if prefix is None else prefix.for_rows(len(mask))
        place = torch.arange(start, longest, device=here).expand(len(mask), -1)
        logits = self._forward(embeddings[:, start:], mask, place, place == mask.sum(1, keepdim=True) - 1, cache)
        chosen = processors or [()] * len(mask)
        ends = frozenset([decoder.tokenizer.eos_token_id, *end_ids])
        most = longest + self.max_new_tokens
        new = [Running(self._read + row, most, ends, chosen[row]) for row in range(len(mask))]
        self._read += len(new)
        self.rows.add(cache, mask)
        self.running += new
        self._say(new, logits)

    @torch.no_grad()
    def step(self) -> None:
        """Say one more token of every answer."""
        here = self.decoder.device
        tokens = torch.tensor([[each.ids[-1]] for each in self.running], device=here)
        ended = torch.tensor([[each.ended] for each in self.running], device=here)
        place = self.rows.lengths[:, None].masked_fill(ended, 0)  # what they say is of no use, but must be computable
        mask = self.rows.step()
        logits = self._forward(
            self.decoder.embed(tokens), mask, place, torch.ones_like(tokens, dtype=torch.bool), self.rows.cache
        )
        self._say(self.running, logits)

    def _prefix(self, embeddings: Tensor, mask: Tensor, alike: int | None) -> Prefix | None:
        """The beginning that was read before, if these prompts have it too; or that they share among themselves."""
        if self._beginning is not None:
            known, prefix = self._beginning
            fits = len(known) < int(mask.sum(1).min())
            if fits and bool((embeddings[:, : len(known)] == known).all()):
                return prefix
        length = shared_beginning(embeddings, mask) if alike is None else alike
        if length == 0:
            return None
        known = embeddings[0, :length].clone()
        self._beginning = known, self.decoder.read_prefix(known[None])
        return self._beginning[1]

    def _forward(self, embeddings: Tensor, mask: Tensor, place: Tensor, last: Tensor, cache: Any) -> Tensor:
        """Logits (B, V) at chosen positions; the cache grows."""
        positions = {"position_ids": place} if self._takes_positions else {}
        output = forward_at(
            self.decoder.model,
            last,
            inputs_embeds=embeddings,
            attention_mask=mask.long(),
            past_key_values=cache,
            use_cache=True,
            **positions,
        )
        logits: Tensor = output.logits
        return logits

    def _say(self, answers: Sequence[Running], logits: Tensor) -> None:
        if any(each.processors for each in answers):
            none: Any = torch.empty(len(answers), 0, dtype=torch.long)
            logits = EachRow([each.processors for each in answers])(none, logits.float())
        for each, token in zip(answers, logits.argmax(-1).tolist(), strict=True):
            if each.ended:
                continue
            each.ids.append(token)
            each.ended = token in each.end_ids or len(each.ids) >= self.max_new_tokens or self._has_said(each.ids)

    def _has_said(self, ids: list[int]) -> bool:
        """Whether an answer has come to one of the texts that end it; a token has a byte at least."""
        if not self.stop:
            return False
        (text,) = self.decoder.texts(torch.tensor([ids[-self._longest_stop - 2 :]]))
        return any(each in text for each in self.stop)
