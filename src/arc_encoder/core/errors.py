"""The exceptions that a user can meet. Each message says what was given, what was expected and what to do.

Messages are for whoever calls a function: they name its arguments. What to type on a command line is the commands'
to say: an error that has such an `advice` carries what it needs as facts (`config/app/advice.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class ArcError(Exception):
    """Base of every error that the platform raises about a user's input.

    Args:
        message: what was given, what was expected, what to do.
        advice: key of what the user of a command is told besides.
        facts: what the advice names, such as a folder.
    """

    def __init__(self, message: str = "", *, advice: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.advice, self.facts = advice, facts


class ConfigError(ArcError):
    """A setting that cannot work: unknown key, wrong type, impossible combination."""


class DataError(ArcError):
    """A document, record or file that cannot be used."""


class CheckpointError(ArcError):
    """A checkpoint or model folder that is missing, damaged or belongs to another architecture."""


class Interrupted(ArcError):
    """A run that was asked to stop and can be resumed; `status` is the exit status of its process."""

    def __init__(self, message: str = "", *, status: int = 1, advice: str | None = None, **facts: Any) -> None:
        super().__init__(message, advice=advice, **facts)
        self.status = status


def at_least(lowest: float, where: str = "", hint: str = "", /, **numbers: float | None) -> None:
    """Refuse settings that are smaller than `lowest`; None is left alone.

    Args:
        lowest: that is possible.
        where: whose settings they are; after one that ends in a dot the name follows at once.
        hint: end of the message.
        numbers: the settings by name.

    Raises:
        ConfigError: naming the first that is too small, or no number.
    """
    for name, value in numbers.items():
        if value is not None and not value >= lowest:
            place = f"{where}: " if where and not where.endswith(".") else where
            raise ConfigError(f"{place}{name}={value} must be at least {lowest:g}{hint}")


def check_number(name: str, value: Any, *, lowest: float, whole: bool = True) -> None:
    """Refuse a setting that is no number, or too small.

    Raises:
        ConfigError: with what was expected.
    """
    right = isinstance(value, int) if whole else isinstance(value, int | float)
    if isinstance(value, bool) or not right or not lowest <= value < math.inf:
        raise ConfigError(f"{name}={value!r} must be a {'whole ' if whole else ''}number from {lowest:g} on")


@contextmanager
def needing(what: str, extra: str, kind: type[ArcError] = ConfigError) -> Iterator[None]:
    """Name the extra to install where a library cannot be imported in the block.

    Args:
        what: needs which library, in words.
        extra: of this package.
        kind: of the error.

    Raises:
        ArcError: it is missing.
    """
    try:
        yield
    except ImportError as error:
        raise kind(f"{what}; install it with: pip install 'arc-encoder[{extra}]'") from error


@contextmanager
def writing(
    what: object,
    hint: str = "choose another place",
    *,
    kind: type[ArcError] = ConfigError,
    errors: tuple[type[Exception], ...] = (),
    **facts: Any,
) -> Iterator[None]:
    """Say what cannot be written where the system refuses it in the block.

    Args:
        what: is written.
        hint: what to do.
        kind: of the error.
        errors: that mean the same, besides `OSError`.
        facts: of the error, `advice` among them.

    Raises:
        ArcError: of this kind.
    """
    mistakes: tuple[type[Exception], ...] = (OSError, *errors)
    try:
        yield
    except mistakes as error:
        raise kind(
            f"{what} cannot be written ({getattr(error, 'strerror', None) or error}); {hint}", **facts
        ) from error
