"""Lines that vLLM streams → what an engine says."""

from __future__ import annotations

import json
from typing import Any

from arc_encoder.inference.serving.engines.base import Delta, Finished, TokenLogprob
from arc_encoder.inference.serving.protocol.errors import ApiError, refused, too_busy, unavailable

ENDS = ("stop", "length")
TOLD = 500  # characters of the server's own message that are passed on


def event_of(line: str) -> list[Delta | Finished]:
    """What one line of the stream says.

    Raises:
        ApiError: the server failed in the middle.
    """
    if not line.startswith("data:") or line == "data: [DONE]":
        return []
    chunk: dict[str, Any] = json.loads(line.removeprefix("data:"))
    if "error" in chunk:
        raise unavailable("the engine failed while it answered; try again")
    found: list[Delta | Finished] = []
    for choice in chunk.get("choices", []):
        finish = choice.get("finish_reason")
        if finish is not None and finish not in ENDS:
            raise unavailable(f"the engine gave up ({finish}); try again")
        text = choice["text"] if "text" in choice else (choice.get("delta") or {}).get("content") or ""
        logprobs = _logprobs(choice.get("logprobs"))
        if text or finish or logprobs:
            found.append(Delta(int(choice["index"]), text, finish, logprobs))
    usage = chunk.get("usage")
    if usage and not chunk.get("choices"):
        found.append(Finished(int(usage["prompt_tokens"]), int(usage["completion_tokens"])))
    return found


def error_of(status: int, content: bytes) -> ApiError:
    """A refusal of the server, as ours."""
    try:
        body = json.loads(content)
        message = str((body.get("error") or body).get("message", ""))[:TOLD]
    except (ValueError, AttributeError):
        message = ""
    if status == 429:
        return too_busy("the engine takes no more requests; come back in a second")
    if status in (400, 413, 422):
        return refused(f"the engine refuses the request: {message or status}", code="engine_refused")
    return unavailable(f"the engine answered {status}")


def _logprobs(told: Any) -> tuple[TokenLogprob, ...]:
    """Of a chat (`content`), or of a completion (`tokens`)."""
    if not told:
        return ()
    if "content" in told:
        return tuple(
            TokenLogprob(
                each["token"],
                each["logprob"],
                tuple((other["token"], other["logprob"]) for other in each.get("top_logprobs") or []),
            )
            for each in told["content"] or []
        )
    tops = told.get("top_logprobs") or [None] * len(told["tokens"])
    return tuple(
        TokenLogprob(token, value, tuple(sorted((top or {}).items(), key=lambda item: -item[1])))
        for token, value, top in zip(told["tokens"], told["token_logprobs"], tops, strict=True)
    )
