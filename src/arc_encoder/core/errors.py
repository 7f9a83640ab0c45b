"""The exceptions that a user can meet. Each message says what was given, what was expected and what to do.

Messages are for whoever calls a function: they name its arguments. What to type on a command line is the commands'
to say: an error that has such an `advice` carries what it needs as facts (`config/app/advice.py`).
"""

from __future__ import annotations

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
