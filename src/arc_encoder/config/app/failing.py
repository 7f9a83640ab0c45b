"""How a command ends that a user's mistake ended."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from arc_encoder.config.app.advice import with_advice
from arc_encoder.core.errors import ArcError

FAILED = 2  # exit status


def fail(error: ArcError | str) -> NoReturn:
    """Print an error in plain words, with what to type instead where that is known, and leave."""
    print(f"error: {with_advice(error) if isinstance(error, ArcError) else error}", file=sys.stderr)
    sys.exit(FAILED)


def listed(problems: Sequence[str]) -> str:
    """Mistakes of a configuration as one message."""
    count = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''} in the configuration:"
    return "\n  - ".join([count, *problems])
