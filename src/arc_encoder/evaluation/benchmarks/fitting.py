"""What happens to a prompt that does not fit the decoder's window, and to a document that the encoder cannot read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from arc_encoder.core.errors import DataError
from arc_encoder.data.batching.tokens import token_ids, token_spans
from arc_encoder.data.prompts import joined_passages
from arc_encoder.data.records import Question
from arc_encoder.evaluation.protocols import Layout
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import Prompt

Overflow = Literal["stop", "shorten"]
CHOICES = ("stop", "shorten")


@dataclass(frozen=True)
class Fitted:
    """A prompt that fits."""

    prompt: Prompt
    examples: int
    cut: bool
    examples_cut: int = 0


class Reader:
    """Documents as far as the session's ARC-Encoder can read them (Pilchen et al., 2025, §4.3: parallel chunks).

    Args:
        session: its compressor says how many tokens that are (chunk size times most chunks); without one, or
            with one that has no chunks, there is no limit.

    Attributes:
        max_tokens: encoder tokens of the longest document; None is no limit.
    """

    def __init__(self, session: Session) -> None:
        compressor = session.measure
        chunking = getattr(compressor, "chunking", None)
        self.max_tokens: int | None = None if chunking is None else chunking.size * chunking.max_chunks
        self.stops = chunking is not None and chunking.overflow == "stop"
        self._tokenizer: Any = session.collator.encoder_tokenizer
        self._beginnings: dict[str, str] = {}

    def beginning(self, text: str) -> str:
        """`text`, without its end where it is too long."""
        if self.max_tokens is None or len(text.encode()) <= self.max_tokens:  # a token is a byte at least
            return text
        if text not in self._beginnings:
            self._beginnings[text] = self._cut(text, self.max_tokens)
        return self._beginnings[text]

    def group(self, group: Sequence[Question], layout: Layout) -> list[Question]:
        """Examples and query, each as it is where its documents can be read, else with their beginnings."""
        read = []
        for question in group:
            texts = layout.documents(question, asked=question is group[-1])
            beginnings = tuple(map(self.beginning, texts))
            read.append(question if beginnings == tuple(texts) else replace(question, passages=beginnings))
        return read

    def refuse(self, name: str, group: Sequence[Question], layout: Layout) -> None:
        """Raise `DataError` if a document of `group` cannot be read as a whole."""
        for old, new in zip(group, self.group(group, layout), strict=True):
            if new is not old:
                longest = max(layout.documents(old, asked=old is group[-1]), key=len)
                raise DataError(
                    f"benchmark {name}: a document of question {old.id!r} has {len(self._ids(longest))} encoder tokens, but "
                    f"the ARC-Encoder reads at most {self.max_tokens}; cut its end with overflow 'shorten', "
                    "leave the question out, or raise max_chunks in the config.json of the ARC-Encoder"
                )

    def _cut(self, text: str, max_tokens: int) -> str:
        while len(text) > 1 and (count := len(self._ids(text))) > max_tokens:  # tokens may change where a text is cut
            end = len(text) * max_tokens // count
            if self._tokenizer.is_fast:
                end = token_spans(text, self._tokenizer)[max_tokens][0]
            text = text[: max(1, min(end, len(text) - 1))]
        return text

    def _ids(self, text: str) -> list[int]:
        return token_ids([text], self._tokenizer)[0]


def fitted(
    group: Sequence[Question],
    build: Callable[[Sequence[Question]], Prompt],
    positions: Callable[[Prompt], int],
    room: int | None,
    lost: Sequence[bool] = (),
) -> Fitted:
    """The prompt for the last question of `group` after the others, shortened until it fits.

    Examples are left out from the front; then, if need be, the document loses its end.

    Args:
        room: most of them; None is no limit.
        lost: of each question of `group`, whether its document lost its end before; empty if none did.
    """
    lost = lost or [False] * len(group)
    left, prompt, cut = list(group), build(group), lost[-1]
    used = 0 if room is None else positions(prompt)
    room = used if room is None else room
    while used > room and len(left) > 1:
        left = left[1:]
        prompt = build(left)
        used = positions(prompt)
    text = joined_passages(left[-1])
    while used > room and len(text) > 1:  # if nothing is left, the model says what does not fit
        text, cut = text[: max(1, int(len(text) * 0.95 * room / used))], True
        prompt = build([replace(left[-1], passages=(text,))])
        used = positions(prompt)
    return Fitted(prompt, len(left) - 1, cut, sum(lost[-len(left) : -1]))


def warn_of_shortened(
    name: str, shots: int, prompts: Sequence[Fitted], session: Session, max_tokens: int | None
) -> None:
    """Tell how many prompts did not fit as they were; `max_tokens` is the longest document that the encoder reads, if there is a limit."""
    fewer = sum(each.examples < shots for each in prompts)
    cut = sum(each.cut for each in prompts)
    examples = sum(each.examples_cut for each in prompts)
    window = f"the window of {session.decoder.window} of decoder {session.decoder_name!r}"
    encoder = f" or the {max_tokens} tokens that the ARC-Encoder reads" if max_tokens is not None else ""
    changes = []
    if fewer:
        changes.append(f"{fewer} of {len(prompts)} prompts did not fit {window} and have fewer than {shots} examples")
        changes.append(f"{cut} documents were cut at their end")
    elif cut:
        changes.append(f"{cut} of {len(prompts)} documents were cut at their end to fit {window}{encoder}")
    if examples:
        changes.append(
            f"{examples} documents of examples were cut to the {max_tokens} tokens that the ARC-Encoder reads"
        )
    if changes:
        warnings.warn(f"benchmark {name}: {'; '.join(changes)}", stacklevel=3)
