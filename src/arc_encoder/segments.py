"""The words that data and model share: a sample is a list of text segments with roles.

Samples stay text until the collator, so that the same sample can be put in front of
decoders with different tokenizers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What happens to a segment's text."""

    CONTEXT = "context"  # read by the encoder, reaches the decoder as compressed vectors
    PLAIN = "plain"  # read by the decoder as text, no loss
    TARGET = "target"  # read by the decoder as text, with loss


class TaskToken(StrEnum):
    """The learned token appended to every compressed context (Pilchen et al., 2025, §3.2)."""

    RECONSTRUCT = "reconstruct"
    CONTINUE = "continue"


@dataclass(frozen=True)
class Segment:
    """A piece of text and its role."""

    text: str
    role: Role


@dataclass(frozen=True)
class Sample:
    """One training or evaluation sample, in reading order.

    `end_of_text` closes the last target with the decoder's EOS token.
    """

    id: str
    segments: tuple[Segment, ...]
    task_token: TaskToken = TaskToken.CONTINUE
    end_of_text: bool = False
