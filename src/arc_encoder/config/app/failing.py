"""How a command ends that a user's mistake ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from arc_encoder.config.app.advice import with_advice
from arc_encoder.core.errors import ArcError

FAILED = 2  # exit status


def fail(error: BaseException | str) -> NoReturn:
    """Print an error in plain words, with what to type instead where that is known, and leave."""
    print(f"error: {error if isinstance(error, str) else with_advice(error)}", file=sys.stderr)
    sys.exit(FAILED)


@contextmanager
def user_errors(*others: type[BaseException]) -> Iterator[None]:
    """Tell a user's mistake in a block, or in the function that this decorates, and leave."""
    mistakes: tuple[type[BaseException], ...] = (ArcError, *others)
    try:
        yield
    except mistakes as error:
        fail(error)


def listed(problems: Sequence[str]) -> str:
    """Mistakes of a configuration as one message."""
    count = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''} in the configuration:"
    return "\n  - ".join([count, *problems])
