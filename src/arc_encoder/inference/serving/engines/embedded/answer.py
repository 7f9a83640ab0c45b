"""One answer that is being generated: its tokens, its text as far as it may be shown, and when it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor

from arc_encoder.inference.generation.stops import cut
from arc_encoder.inference.generation.streaming import UNFINISHED
from arc_encoder.inference.serving.engines.base import Delta, Job, TokenLogprob
from arc_encoder.inference.serving.engines.logprobs import HeldTokens, TokenBytes


class Answer:
    """What one row of the batch says.

    Args:
        job: what is answered.
        choice: which of its answers.
        max_tokens: the longest that it may become.
        end_ids: ids that end it.
        decode: ids → text.
        token_bytes: bytes of one token; for jobs that ask for logprobs.
    """

    def __init__(
        self,
        job: Job,
        choice: int,
        *,
        max_tokens: int,
        end_ids: frozenset[int],
        decode: Callable[[list[int]], str],
        token_bytes: TokenBytes | None = None,
    ) -> None:
        self.job, self.choice, self.max_tokens, self.end_ids, self.decode = job, choice, max_tokens, end_ids, decode
        self.token_bytes = token_bytes
        self.ids: list[int] = []
        self.finish: str | None = None
        self._draw: Sequence[LogitsProcessor] = job.sampling.processors([choice])
        self._settled = self._read = 0  # ids whose text is settled; ids whose text was handed on
        self._held = ""  # may be the beginning of a stop
        self._said = self._shown = 0  # characters: of settled text, and of what was handed on
        self._tokens = HeldTokens()
        self._longest = max(map(len, job.stops), default=1)

    @property
    def drawn(self) -> bool:
        """Whether tokens are drawn, and not the likeliest taken."""
        return bool(self._draw)

    def draw(self, logits: Tensor) -> int:
        """The next token of logits (V,)."""
        scores: Any = logits[None]
        none_before: Any = torch.empty(1, 0, dtype=torch.long)
        for each in self._draw:
            scores = each(none_before, scores)
        return int(scores.argmax())

    def add(self, token: int, logits: Tensor) -> Delta | None:
        """One more token; what can be shown since, if anything. The first token is told of even if it has no text."""
        ends = token in self.end_ids
        if not ends:
            self.ids.append(token)
        full = len(self.ids) >= self.max_tokens
        text = self._text(whole=ends or full)
        if not ends and self.job.logprobs is not None:
            entry = self._logprob(token, logits, self.job.logprobs)
            self._tokens.add(entry, self._said, self._said + len(text))
        self._said += len(text)
        self._held += text
        shown = cut(self._held, self.job.stops)
        if ends or full or len(shown) < len(self._held):
            stopped = len(shown) < len(self._held)
            self.finish = "stop" if ends or stopped else "length"
            self._shown += len(shown)
            tokens = self._tokens.before(self._shown) if stopped else self._tokens.rest()
            return Delta(self.choice, shown, self.finish, tokens)
        ready = len(self._held) - (self._longest - 1)
        if ready <= 0:
            return Delta(self.choice, "", None, ()) if len(self.ids) == 1 else None
        shown, self._held = self._held[:ready], self._held[ready:]
        self._shown += len(shown)
        return Delta(self.choice, shown, None, self._tokens.before(self._shown))

    def _text(self, *, whole: bool) -> str:
        """Text of the tokens that were not handed on; half a character waits for its rest.

        A token's text may depend on the one before it, so each is decoded behind those that came last.
        """
        before = self.decode(self.ids[self._settled : self._read])
        now = self.decode(self.ids[self._settled :])
        if not whole and now.endswith(UNFINISHED):
            return ""
        self._settled, self._read = self._read, len(self.ids)
        return now[len(before) :]

    def _logprob(self, token: int, logits: Tensor, count: int) -> TokenLogprob:
        assert self.token_bytes is not None
        values = logits.float().log_softmax(-1)
        top = values.topk(min(count, len(values))) if count else None
        ranked = [] if top is None else zip(top.indices.tolist(), top.values.tolist(), strict=True)
        others = tuple(self.token_bytes.entry(each, value) for each, value in ranked)
        return self.token_bytes.entry(token, float(values[token]), others)
