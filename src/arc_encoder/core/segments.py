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
    """A piece of text and its role.

    `special` says that the text is one special token of the decoder's tokenizer. Only chat
    templates make such segments; what looks like a special token in any other text is plain text to them.
    """

    text: str
    role: Role
    special: bool = False


@dataclass(frozen=True)
class Instruction:
    """What a chat decoder is told in place of a task token (Pilchen et al., 2025, §4.3); other decoders never see it.

    Attributes:
        prefix: how the user's turn begins.
        request: how the user's turn ends.
        suffix: how the assistant's turn begins; not in the loss.
    """

    prefix: str = ""
    request: str = ""
    suffix: str = ""


@dataclass(frozen=True)
class Sample:
    """One training or evaluation sample, in reading order.

    `end_of_text` closes the last target with the decoder's EOS token; a chat decoder's answer is
    always closed, as its template says. `instruction` is for chat decoders alone. `read_as_text` says whether the
    decoder that is distilled from reads the contexts as text; where it does not, it reads the sample without them.
    """

    id: str
    segments: tuple[Segment, ...]
    task_token: TaskToken = TaskToken.CONTINUE
    end_of_text: bool = False
    instruction: Instruction = Instruction()
    read_as_text: bool = True
