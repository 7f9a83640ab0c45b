"""Prompts of text and contexts: what a user gives, checked, and as the samples that the collator reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arc_encoder.core.errors import DataError
from arc_encoder.core.segments import Role, Sample, Segment
from arc_encoder.data.prompts import merge_plain
from arc_encoder.inference.encoding.contexts import CompressedContext, Context

Part = str | Context | CompressedContext
Prompt = str | Sequence[Part]
Parts = Sequence[Part]
PLACE = "context"  # stands for a context's text, whose vectors are made before


def check_texts(texts: Any, what: str = "text") -> list[str]:
    """A list of texts that can be compressed.

    Raises:
        DataError: no list, or one of them is no text, blank or not valid Unicode; named by its place.
    """
    if isinstance(texts, str | bytes) or not isinstance(texts, Sequence):
        raise DataError(f"expected a list of {what}s, but got {type(texts).__name__}; put a single one into a list")
    for place, text in enumerate(texts):
        reason = text_problem(text)
        if reason:
            raise DataError(f"{what} number {place} {reason}")
    return list(texts)


def text_problem(text: Any) -> str | None:
    """Why something cannot be compressed, as the end of a sentence; None if it is a sound text."""
    if not isinstance(text, str):
        return f"is no text but {type(text).__name__} ({text!r:.80})"
    if not text:
        return "is empty (''); there is nothing to compress, leave it out"
    return unicode_problem(text)


def check_prompts(prompts: Any) -> list[list[Part]]:
    """The parts of each prompt; contexts that hold vectors, or are kept in a store, as those vectors.

    Raises:
        DataError: no list of prompts, or a prompt that is empty or has a part of another kind; named by its place.
    """
    if isinstance(prompts, str | bytes | Context | CompressedContext) or not isinstance(prompts, Sequence):
        raise DataError(
            f"expected a list of prompts, but got {type(prompts).__name__}; put a single prompt into a list"
        )
    found: list[list[Part]] = []
    for number, prompt in enumerate(prompts):
        parts = [prompt] if isinstance(prompt, str) else prompt
        if not isinstance(parts, Sequence) or isinstance(parts, bytes):
            raise DataError(
                f"prompt number {number} is {type(prompt).__name__}; expected a text, or a list of texts and contexts"
            )
        for part in parts:
            if not isinstance(part, str | Context | CompressedContext):
                raise DataError(
                    f"prompt number {number} holds {type(part).__name__} ({part!r:.80}); expected texts, Context and CompressedContext"
                )
            text = part.text if isinstance(part, Context) else part
            if isinstance(text, str) and (reason := unicode_problem(text)):
                raise DataError(f"prompt number {number} {reason}")
            if isinstance(part, Context):
                _check_context(number, part)
        if not any(parts):
            raise DataError(f"prompt number {number} is empty")
        found.append([part.resolved() if isinstance(part, Context) else part for part in parts])
    return found


def _check_context(number: int, context: Context) -> None:
    what = context.text
    if not isinstance(what, str | CompressedContext):
        raise DataError(
            f"prompt number {number}: a Context holds {type(what).__name__} ({what!r:.80}); expected a text, a CompressedContext, "
            "or an id and a store"
        )
    if not isinstance(what, str) and context.store is not None:
        raise DataError(f"prompt number {number}: a Context has vectors and a store; give one of them")
    if not what and context.store is None:
        raise DataError(f"prompt number {number} has an empty document; there is nothing to compress, leave it out")


def sample_of(number: int, parts: Parts) -> Sample:
    """A prompt as a sample, its contexts being places for vectors."""
    segments = [Segment(part, Role.PLAIN) if isinstance(part, str) else Segment(PLACE, Role.CONTEXT) for part in parts]
    return Sample(f"prompt-{number}", tuple(merge_plain(segments)))


def unicode_problem(text: str) -> str | None:
    """Why a text is not valid Unicode, as the end of a sentence; None if it is."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return (
            f"is not valid Unicode: character {error.start} is the lone surrogate {text[error.start]!a}; decode the file with "
            "the encoding that it was written in"
        )
    return None
