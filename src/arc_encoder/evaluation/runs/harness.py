"""lm-evaluation-harness asks its tasks, an ARC-Encoder and a frozen decoder answer (extra `lm-eval`).

The harness gives prompts as plain text and does not say which part is a document. So the last tokens of a
prompt stay text, and what comes before them is compressed; short prompts stay text altogether. Of a prompt that is
too long for the decoder's window or the encoder, the beginning is left out, as the harness itself does it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from lm_eval.api.model import LM

from arc_encoder.core.errors import ConfigError, at_least
from arc_encoder.core.segments import Role, Sample, Segment, TaskToken
from arc_encoder.data.batching.tokens import token_ids, token_spans
from arc_encoder.evaluation.benchmarks.fitting import Reader
from arc_encoder.evaluation.session.answers import answers
from arc_encoder.evaluation.session.session import Session

TASK = "lm-eval"
LEAST = 8  # decoder tokens that are worth compressing
NO_TEMPLATE = (
    "chat templates cannot be applied here: their special tokens would be compressed as text; leave `apply_chat_template` "
    "out, or ask a chat decoder on this project's own benchmarks, whose prompts have its template"
)
LENGTH_KEYS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")


class HarnessModel(LM):
    """A language model for the harness.

    Args:
        keep: decoder tokens at the end of a prompt that stay text, rounded down to whole lines or words.

    Raises:
        ConfigError: a negative number.
    """

    def __init__(self, session: Session, *, keep: int = 64, max_new_tokens: int = 256) -> None:
        super().__init__()
        at_least(0, keep=keep)
        at_least(1, max_new_tokens=max_new_tokens)
        self.session, self.keep, self.max_new_tokens, self._warned = session, keep, max_new_tokens, False

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Log-probability of each continuation, in nats, and whether greedy decoding would say it."""
        return self._scores([(str(context), str(continuation)) for context, continuation in _arguments(requests)])

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Log-probability of each text, in parts of `keep` tokens, each after all text before it, compressed."""
        parts: list[tuple[str, str]] = []
        owners: list[int] = []
        for number, (text,) in enumerate(_arguments(requests)):
            for start, end in self._spans(str(text)):
                parts.append((text[:start], text[start:end]))
                owners.append(number)
        totals = [0.0] * len(requests)
        for owner, (score, _) in zip(owners, self._scores(parts, all_compressed=True), strict=True):
            totals[owner] += score
        return totals

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Greedy answers, cut at the first stop text of their task.

        Raises:
            ConfigError: a task that samples.
        """
        asked = [(str(context), dict(settings)) for context, settings in _arguments(requests)]
        if any(settings.get("do_sample") for _, settings in asked):
            raise ConfigError(
                "a task asks for sampling, but answers here are greedy; switch do_sample off in gen_kwargs"
            )
        samples = [
            self._fitting(str(i), context, self.keep, self._length(settings))
            for i, (context, settings) in enumerate(asked)
        ]
        alike: dict[tuple[tuple[str, ...], int], list[int]] = {}  # those that may be generated together
        for number, (_, settings) in enumerate(asked):
            alike.setdefault((_until(settings), self._length(settings)), []).append(number)
        found: dict[int, str] = {}
        for (until, length), members in alike.items():

            def positions(sample: Sample, most: int = length) -> int:
                return self.session.size(sample) + most

            texts = answers(
                self.session,
                [samples[i] for i in members],
                positions,
                TASK,
                max_new_tokens=length,
                stop=until,
            )
            found.update(zip(members, (_cut(text, until) for text in texts), strict=True))
        return [found[i] for i in range(len(samples))]

    @property
    def tokenizer_name(self) -> str:
        """Asked for chat templates alone."""
        raise ConfigError(NO_TEMPLATE)

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Not possible: a template is made of special tokens, and what is compressed is plain text."""
        raise ConfigError(NO_TEMPLATE)

    def _length(self, settings: dict[str, Any]) -> int:
        return int(next((settings[key] for key in LENGTH_KEYS if settings.get(key)), self.max_new_tokens))

    def _scores(self, pairs: Sequence[tuple[str, str]], *, all_compressed: bool = False) -> list[tuple[float, bool]]:
        samples = []
        for number, (context, continuation) in enumerate(pairs):
            keep, after = 0 if all_compressed else self.keep, len(self.session.decoder.token_ids(continuation))
            prompt = self._fitting(str(number), context, keep, after)
            segments = (*prompt.segments, Segment(continuation, Role.TARGET))
            samples.append(self.session.with_start(Sample(prompt.id, segments, TaskToken.CONTINUE)))
        found: dict[int, tuple[float, bool]] = {}
        for numbers in self.session.batches(samples, self.session.size, TASK):
            batch = self.session.collate([samples[i] for i in numbers], TASK)
            scores = self.session.model.sample_scores(batch, factor=self.session.factor)
            for number, (loss, right, count) in zip(numbers, scores, strict=True):
                found[number] = (-loss, right == count)
        return [found[i] for i in range(len(samples))]

    def _fitting(self, name: str, prompt: str, keep: int, after: int) -> Sample:
        """The prompt without as much of its beginning as it takes to leave `after` positions for what follows it."""
        window, sample = self.session.decoder.window, self._sample(name, prompt, keep=keep)
        while prompt:
            over = self._excess(sample, None if window is None else window - after)
            if over <= 0:
                break
            self._warn_once()
            prompt = prompt[max(1, int(len(prompt) * over)) :]
            sample = self._sample(name, prompt, keep=keep)
        return sample

    def _excess(self, sample: Sample, room: int | None) -> float:
        """The share of a prompt that is too much, 0 or less if it fits."""
        contexts = [segment.text for segment in sample.segments if segment.role is Role.CONTEXT]
        over = [0.0]
        if room is not None:
            used = self.session.positions(sample, self.session.budgets(contexts) if contexts else {})
            over.append(1 - max(room, 0) / max(used, 1))
        max_tokens = Reader(self.session).max_tokens
        if max_tokens is not None:
            over += [1 - max_tokens / len(ids) for ids in token_ids(contexts, self.session.collator.encoder_tokenizer)]
        return max(over)

    def _warn_once(self) -> None:
        if not self._warned:
            warnings.warn(
                "a prompt is longer than decoder or ARC-Encoder can read; its beginning is left out, and so with others",
                stacklevel=4,
            )
        self._warned = True

    def _sample(self, name: str, prompt: str, *, keep: int | None = None) -> Sample:
        """The prompt, all but its last tokens compressed."""
        place = self._place(prompt, self.keep if keep is None else keep) if self.session.has_compressor else 0
        parts = [Segment(prompt[:place], Role.CONTEXT), Segment(prompt[place:], Role.PLAIN)]
        return Sample(name, tuple(part for part in parts if part.text), TaskToken.CONTINUE)

    def _place(self, prompt: str, keep: int) -> int:
        """Where the text begins that is not compressed: after a line break if there is one, else before a word."""
        starts = self._starts(prompt)
        if len(starts) < keep + LEAST:
            return 0
        cut = starts[len(starts) - keep] if keep else len(prompt)
        line = prompt.find("\n", cut)
        if line >= 0:
            return line + 1 if line + 1 < len(prompt) else cut
        word = prompt.find(" ", cut)
        return word if word >= 0 else cut

    def _spans(self, text: str) -> list[tuple[int, int]]:
        starts = self._starts(text)[:: max(1, self.keep)] or [0]
        return list(zip(starts, [*starts[1:], len(text)], strict=True))

    def _starts(self, text: str) -> list[int]:
        """Character at which each decoder token begins."""
        return [start for start, _ in token_spans(text, self.session.decoder.tokenizer)]


def _until(settings: dict[str, Any]) -> tuple[str, ...]:
    """The texts at which an answer ends."""
    until = settings.get("until") or ()
    return tuple(dict.fromkeys(stop for stop in ([until] if isinstance(until, str) else until) if stop))


def _cut(text: str, until: Sequence[str]) -> str:
    for stop in until:
        text = text.split(stop)[0]
    return text


def _arguments(requests: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [request.args for request in requests]
