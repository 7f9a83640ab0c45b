"""How a command ends that a user's mistake ended."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

FAILED = 2  # exit status


def fail(message: str) -> NoReturn:
    """Print an error in plain words and leave."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(FAILED)


def listed(problems: Sequence[str]) -> str:
    """Mistakes of a configuration as one message."""
    count = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''} in the configuration:"
    return "\n  - ".join([count, *problems])
