"""Lines that vLLM streams → what an engine says."""

from __future__ import annotations

import codecs
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import httpx

from arc_encoder.inference.serving.engines.base import Delta, Finished, TokenLogprob
from arc_encoder.inference.serving.engines.logprobs import LOWEST, HeldTokens, TokenBytes
from arc_encoder.inference.serving.protocol.errors import ApiError, refused, too_busy, unavailable

ENDS = ("stop", "length")
TOLD = 500  # characters of the server's own message that are passed on
LONGEST_LINE = 1 << 22  # bytes
WINDOW = "context_length_exceeded"
TOO_LONG = ("maximum context length", "maximum model length", "context length is only")
ID = "token_id:"  # how a completion names its tokens, where it is asked for ids


async def lines_of(answer: httpx.Response) -> AsyncGenerator[str]:
    """Lines of a stream. They end at line feeds alone: in an answer, U+2028 and others that end lines elsewhere are text.

    Raises:
        ApiError: a line that does not end.
    """
    held = bytearray()
    async for part in answer.aiter_bytes():
        held += part
        *whole, held = held.split(b"\n")
        for line in whole:
            yield line.decode("utf-8", errors="replace").rstrip("\r")
        if len(held) > LONGEST_LINE:
            raise unavailable("the engine's answer cannot be read; try again")
    if held:
        yield held.decode("utf-8", errors="replace")


class _Choice:
    """One answer as far as it was read: characters that were shown, and tokens that wait for theirs."""

    def __init__(self) -> None:
        self.shown = self._reported = 0
        self.held = HeldTokens()
        self._text = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, token: TokenLogprob) -> None:
        before = self._reported
        self._reported += len(self._text.decode(token.bytes))
        self.held.add(token, before, self._reported)


class AnswerStream:
    """Reads one streamed answer.

    Args:
        token_bytes: bytes of the decoder's tokens, for answers that name their ids; None where its tokenizer is not here.
    """

    def __init__(self, token_bytes: TokenBytes | None = None) -> None:
        self.token_bytes = token_bytes
        self._choices: dict[int, _Choice] = {}

    def events(self, line: str) -> list[Delta | Finished]:
        """What one line says.

        Raises:
            ApiError: the server failed in the middle.
            ValueError, KeyError, TypeError, AttributeError, IndexError: no line of this protocol.
        """
        if not line.startswith("data:") or line.removeprefix("data:").strip() == "[DONE]":
            return []
        chunk: dict[str, Any] = json.loads(line.removeprefix("data:"))
        if "error" in chunk:
            raise unavailable("the engine failed while it answered; try again")
        found: list[Delta | Finished] = []
        for choice in chunk.get("choices", []):
            delta = self._delta(choice)
            if delta.text or delta.finish or delta.logprobs:
                found.append(delta)
        usage = chunk.get("usage")
        if usage and not chunk.get("choices"):
            found.append(Finished(int(usage["prompt_tokens"]), int(usage["completion_tokens"])))
        return found

    def _delta(self, choice: dict[str, Any]) -> Delta:
        finish = choice.get("finish_reason")
        if finish is not None and finish not in ENDS:
            raise unavailable(f"the engine gave up ({finish}); try again")
        text = choice["text"] if "text" in choice else (choice.get("delta") or {}).get("content") or ""
        known = self._choices.setdefault(int(choice["index"]), _Choice())
        known.shown += len(text)
        self._take(choice.get("logprobs"), known)
        stopped = isinstance(choice.get("stop_reason"), str)  # by a text, whose tokens do not belong to the answer
        logprobs = known.held.rest() if finish and not stopped else known.held.before(known.shown)
        return Delta(int(choice["index"]), text, finish, logprobs)

    def _take(self, logprobs: Any, known: _Choice) -> None:
        """Logprobs of a chat (`content`), or of a completion (`tokens`)."""
        if not logprobs:
            return
        if "content" in logprobs:
            for each in logprobs["content"] or []:
                top = tuple(self._entry(other) for other in each.get("top_logprobs") or [])
                known.add(self._entry(each, top))
            return
        tops = logprobs.get("top_logprobs") or [None] * len(logprobs["tokens"])
        for token, value, others in zip(logprobs["tokens"], logprobs["token_logprobs"], tops, strict=True):
            ranked = sorted((others or {}).items(), key=lambda item: -item[1])
            top = tuple(self._named(name, chance) for name, chance in ranked)
            known.add(self._named(token, value, top))

    def _entry(self, entry: Mapping[str, Any], top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
        """A token of a chat, with its bytes."""
        return self._named(entry["token"], entry["logprob"], top, given=entry.get("bytes"))

    def _named(
        self,
        name: str,
        value: float,
        top: tuple[TokenLogprob, ...] = (),
        *,
        given: Sequence[int] | None = None,
    ) -> TokenLogprob:
        """A token that is named by its id, or else by its text."""
        if self.token_bytes is not None and name.startswith(ID) and name.removeprefix(ID).isdigit():
            return self.token_bytes.entry(int(name.removeprefix(ID)), value, top)
        content = name.encode("utf-8", "replace") if given is None else bytes(given)
        return TokenLogprob(name, max(LOWEST, value), content, top=top)


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
        code = WINDOW if any(words in message for words in TOO_LONG) else "engine_refused"
        return refused(f"the engine refuses the request: {message or status}", code=code)
    return unavailable(f"the engine answered {status}")
