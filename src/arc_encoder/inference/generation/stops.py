"""Ending an answer at one of several texts, also where it comes piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from arc_encoder.core.errors import ConfigError


def stop_texts(stop: str | Sequence[str] | None) -> list[str]:
    """One or several texts as a list.

    Raises:
        ConfigError: an empty one, or no text.
    """
    if stop is not None and not isinstance(stop, str | list | tuple):
        raise ConfigError(f"stop={stop!r}: expected a text or texts, none of them empty")
    stops = [stop] if isinstance(stop, str) else list(stop or [])
    if not all(isinstance(each, str) and each for each in stops):
        raise ConfigError(f"stop={stop!r}: expected a text or texts, none of them empty")
    return stops


def cut(text: str, stops: Sequence[str]) -> str:
    """The text before the first of `stops` in it."""
    return text[: min((place for each in stops if (place := text.find(each)) >= 0), default=len(text))]


def cut_pieces(pieces: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    """Pieces of a text up to the first of `stops`; what may be the beginning of one is held back until it is decided."""
    held = ""
    longest = max(map(len, stops), default=1)
    for piece in pieces:
        held += piece
        shown = cut(held, stops)
        if len(shown) < len(held):
            if shown:
                yield shown
            return
        ready = len(held) - (longest - 1)
        if ready > 0:
            yield held[:ready]
            held = held[ready:]
    if held:
        yield held
