"""How much one request, and all requests together, may ask for."""

from __future__ import annotations

from dataclasses import dataclass, fields

from arc_encoder.core.errors import ConfigError


@dataclass(frozen=True)
class Limits:
    """Limits of a gateway.

    Attributes:
        max_body_mib: size of a request's body.
        max_documents: documents in a request.
        max_document_chars: characters of a document that is given as text.
        max_tokens: tokens of an answer; also what is generated at most where a request names no number.
        max_choices: answers to one prompt (`n`).
        max_requests: requests under way, those that wait for a place in the batch included; one more is told to come
            back (429).
        timeout: seconds from the beginning of a request until it has to be answered, encoding of documents included.
        body_timeout: seconds until a request's body has to be here.

    Raises:
        ConfigError: a limit that lets nothing through.
    """

    max_body_mib: float = 16
    max_documents: int = 32
    max_document_chars: int = 400_000
    max_tokens: int = 1024
    max_choices: int = 8
    max_requests: int = 128
    timeout: float = 300
    body_timeout: float = 30

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ConfigError(f"limits.{field.name}={value!r} must be a number above 0")

    @property
    def max_body_bytes(self) -> int:
        """Size of a request's body."""
        return int(self.max_body_mib * 2**20)
