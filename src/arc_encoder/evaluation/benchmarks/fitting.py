"""What happens to a prompt that does not fit the decoder's window."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from arc_encoder.data.prompts import joined_passages
from arc_encoder.data.records import Question
from arc_encoder.evaluation.session import Session
from arc_encoder.evaluation.systems import Prompt

Overflow = Literal["stop", "shorten"]
CHOICES = ("stop", "shorten")


@dataclass(frozen=True)
class Fitted:
    """A prompt that fits.

    Attributes:
        prompt: the prompt.
        examples: how many examples are left in it.
        cut: whether its document lost its end.
    """

    prompt: Prompt
    examples: int
    cut: bool


def fitted(
    group: Sequence[Question],
    build: Callable[[Sequence[Question]], Prompt],
    positions: Callable[[Prompt], int],
    room: int | None,
) -> Fitted:
    """The prompt for the last question of `group` after the others, shortened until it fits.

    Examples are left out from the front; then, if need be, the document loses its end.

    Args:
        group: examples and query.
        build: makes the prompt.
        positions: counts a prompt's decoder positions.
        room: most of them; None is no limit.
    """
    left, prompt, cut = list(group), build(group), False
    if room is None:
        return Fitted(prompt, len(left) - 1, cut)
    used = positions(prompt)
    while used > room and len(left) > 1:
        left = left[1:]
        prompt = build(left)
        used = positions(prompt)
    text = joined_passages(left[-1])
    while used > room and len(text) > 1:  # if nothing is left, the model says what does not fit
        text, cut = text[: int(len(text) * 0.95 * room / used)], True
        prompt = build([replace(left[-1], passages=(text,))])
        used = positions(prompt)
    return Fitted(prompt, len(left) - 1, cut)


def warn_of_shortened(name: str, shots: int, prompts: Sequence[Fitted], session: Session) -> None:
    """Tell how many prompts did not fit as they were."""
    fewer = sum(each.examples < shots for each in prompts)
    cut = sum(each.cut for each in prompts)
    if fewer:
        warnings.warn(
            f"benchmark {name}: {fewer} of {len(prompts)} prompts did not fit the window of {session.decoder.window} of "
            f"decoder {session.decoder_name!r} and have fewer than {shots} examples; {cut} documents were cut at their end",
            stacklevel=3,
        )
    elif cut:
        warnings.warn(
            f"benchmark {name}: {cut} of {len(prompts)} documents were cut at their end to fit the window of "
            f"{session.decoder.window} of decoder {session.decoder_name!r}",
            stacklevel=3,
        )
