"""What was probably meant by a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggest(name: str, valid: Iterable[str]) -> str:
    """The valid names as a phrase, the closest one first."""
    names = sorted(valid)
    return f"{did_you_mean(name, names)}; valid choices: {', '.join(names) or 'none'}"


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """The closest of the valid names as a phrase, or nothing where none is close."""
    close = difflib.get_close_matches(name, list(valid), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
