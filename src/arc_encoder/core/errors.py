"""The exceptions that a user can meet. Each message says what was given, what was expected and what to do."""

from __future__ import annotations


class ArcError(Exception):
    """Base of every error that the platform raises about a user's input."""


class ConfigError(ArcError):
    """A setting that cannot work: unknown key, wrong type, impossible combination."""


class DataError(ArcError):
    """A document, record or file that cannot be used."""


class CheckpointError(ArcError):
    """A checkpoint or model folder that is missing, damaged or belongs to another architecture."""


class Interrupted(ArcError):
    """A run that was asked to stop and can go on later; `status` is the exit status of its process."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status
