"""Answers as OpenAI's clients read them: whole, and in pieces."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from arc_encoder.inference.serving.engines.base import Delta, TokenLogprob


class Shape(ABC):
    """One answered request.

    Args:
        model: the name under which the decoder is served.
        logprobs: whether they were asked for.
    """

    prefix: str
    whole_object: str
    piece_object: str

    def __init__(self, model: str, *, logprobs: bool) -> None:
        self.logprobs = logprobs
        self.head = {"id": f"{self.prefix}-{secrets.token_hex(12)}", "created": int(time.time()), "model": model}

    def whole(self, deltas: Sequence[Sequence[Delta]], usage: dict[str, Any]) -> dict[str, Any]:
        """All of it, of the pieces of each answer."""
        choices = [
            {
                "index": number,
                **self._said("".join(each.text for each in pieces)),
                "logprobs": self._logprobs_of([one for each in pieces for one in each.logprobs])
                if self.logprobs
                else None,
                "finish_reason": next((each.finish for each in pieces if each.finish), None),
            }
            for number, pieces in enumerate(deltas)
        ]
        return {**self.head, "object": self.whole_object, "choices": choices, "usage": usage}

    def piece(self, delta: Delta, *, first: bool) -> dict[str, Any]:
        """One more piece of one answer.

        Args:
            delta: the piece.
            first: whether it is the first of its answer.
        """
        choice = {
            "index": delta.choice,
            **self._added(delta.text, first=first),
            "logprobs": self._logprobs_of(delta.logprobs) if self.logprobs and delta.logprobs else None,
            "finish_reason": delta.finish,
        }
        return {**self.head, "object": self.piece_object, "choices": [choice]}

    def last(self, usage: dict[str, Any]) -> dict[str, Any]:
        """The piece with the usage."""
        return {**self.head, "object": self.piece_object, "choices": [], "usage": usage}

    @abstractmethod
    def _said(self, text: str) -> dict[str, Any]: ...

    @abstractmethod
    def _added(self, text: str, *, first: bool) -> dict[str, Any]: ...

    @abstractmethod
    def _logprobs_of(self, logprobs: Sequence[TokenLogprob]) -> dict[str, Any]: ...


class ChatShape(Shape):
    """`chat.completion` and its chunks."""

    prefix, whole_object, piece_object = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def _said(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text, "refusal": None}}

    def _added(self, text: str, *, first: bool) -> dict[str, Any]:
        return {"delta": {"role": "assistant", "content": text} if first else {"content": text}}

    def _logprobs_of(self, logprobs: Sequence[TokenLogprob]) -> dict[str, Any]:
        content = [{**_entry(each), "top_logprobs": [_entry(other) for other in each.top]} for each in logprobs]
        return {"content": content, "refusal": None}


class CompletionShape(Shape):
    """`text_completion`, whole and in pieces."""

    prefix, whole_object, piece_object = "cmpl", "text_completion", "text_completion"

    def _said(self, text: str) -> dict[str, Any]:
        return {"text": text}

    def _added(self, text: str, *, first: bool) -> dict[str, Any]:
        return {"text": text}

    def _logprobs_of(self, logprobs: Sequence[TokenLogprob]) -> dict[str, Any]:
        return {
            "tokens": [_name(each) for each in logprobs],
            "token_logprobs": [each.logprob for each in logprobs],
            "top_logprobs": [_by_name(each.top) for each in logprobs],
            "text_offset": [each.offset for each in logprobs],
        }


def _entry(token: TokenLogprob) -> dict[str, Any]:
    return {"token": token.token, "logprob": token.logprob, "bytes": list(token.bytes)}


def _name(token: TokenLogprob) -> str:
    """A token's text, or, as OpenAI writes it, the bytes of one that is no whole text by itself."""
    try:
        return token.bytes.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.bytes)


def _by_name(tokens: Sequence[TokenLogprob]) -> dict[str, float]:
    """Of several tokens with one name, the likeliest."""
    found: dict[str, float] = {}
    for each in tokens:
        found.setdefault(_name(each), each.logprob)
    return found
