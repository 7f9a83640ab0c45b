"""A prompt as the decoder reads it: text, special tokens and vectors in reading order, and as runs of ids and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from arc_encoder.data.batching.collator import DecoderText, special_id
from arc_encoder.data.batching.tokens import token_ids
from arc_encoder.inference.encoding.contexts import CompressedContext


@dataclass(frozen=True)
class Special:
    """One special token of the decoder's tokenizer. Only formats make such parts: in a client's text it is plain text."""

    text: str


@dataclass(frozen=True)
class TokenIds:
    """A piece of a prompt that is given as ids of the decoder's tokenizer."""

    ids: tuple[int, ...]


@dataclass(frozen=True)
class Document:
    """A document in a turn or a prompt: its vectors, or its text where it is to be read as text."""

    content: str | CompressedContext


@dataclass(frozen=True)
class Turn:
    """One message of a chat."""

    role: str
    parts: tuple[str | Document, ...]


Part = str | Special | TokenIds | CompressedContext
Run = list[int] | CompressedContext


def runs_of(parts: Sequence[Part], text: DecoderText) -> list[Run]:
    """Ids and vectors of a prompt; neighbouring texts are tokenized in one piece, and each piece by itself."""
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    ids = iter(token_ids([part for part in joined if isinstance(part, str)], text.tokenizer))
    runs: list[Run] = []
    for part in joined:
        if isinstance(part, CompressedContext):
            runs.append(part)
            continue
        found = next(ids) if isinstance(part, str) else _ids_of(part, text)
        if runs and isinstance(runs[-1], list):
            runs[-1] += found
        else:
            runs.append(list(found))
    return runs


def length_of(runs: Sequence[Run]) -> int:
    """Positions that a prompt takes."""
    return sum(len(run) for run in runs)


def opening(text: DecoderText) -> list[Part]:
    """What comes before every prompt that no chat template opens."""
    return [Special(str(text.tokenizer.bos_token))] if text.bos else []


def _ids_of(part: Special | TokenIds, text: DecoderText) -> list[int]:
    return list(part.ids) if isinstance(part, TokenIds) else [special_id(part.text, text)]
