"""A job → the HTTP answer, whole or as a stream of server-sent events; a client that leaves stops its generation."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.inference.serving.engines.base import Delta, Engine, Finished, Job
from arc_encoder.inference.serving.http.guard import DEADLINE, NOTES, Deadline
from arc_encoder.inference.serving.http.metrics import Metrics
from arc_encoder.inference.serving.prompts.prompt import Part
from arc_encoder.inference.serving.protocol.errors import ApiError, failed, timed_out, without_text
from arc_encoder.inference.serving.protocol.shapes import Shape


def usage_of(parts: Sequence[Part], end: Finished) -> dict[str, Any]:
    """The usage object of an answer.

    `prompt_tokens` is what the decoder reads: text and vectors. `ratio` is document tokens for each vector.
    """
    contexts = [part for part in parts if isinstance(part, CompressedContext)]
    vectors, tokens = sum(map(len, contexts)), sum(context.origin.tokens for context in contexts)
    return {
        "prompt_tokens": end.prompt_tokens,
        "completion_tokens": end.completion_tokens,
        "total_tokens": end.prompt_tokens + end.completion_tokens,
        "text_tokens": end.prompt_tokens - vectors,
        "vectors": vectors,
        "document_tokens": tokens,
        "ratio": round(tokens / vectors, 3) if vectors else None,
    }


T = TypeVar("T")


class Responder:
    """Lets an engine answer."""

    def __init__(self, engine: Engine, metrics: Metrics) -> None:
        self.engine, self.metrics = engine, metrics

    async def whole(self, request: Request, job: Job, shape: Shape) -> Response:
        """The answer in one piece."""
        deltas: list[list[Delta]] = [[] for _ in range(job.n)]
        usage: dict[str, Any] = {}
        async with aclosing(self._events(request, job)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    usage = self._counted(request, job, event)
                else:
                    deltas[event.choice].append(event)
        return JSONResponse(shape.whole(deltas, usage))

    async def stream(self, request: Request, job: Job, shape: Shape, *, include_usage: bool) -> Response:
        """The answer piece by piece. What fails before its first one has a status of its own."""
        events = self._events(request, job)
        first = await anext(events)

        async def lines() -> AsyncIterator[str]:
            begun = [False] * job.n
            event: Delta | Finished = first
            async with aclosing(events):
                try:
                    while True:
                        if isinstance(event, Finished):
                            usage = self._counted(request, job, event)
                            if include_usage:
                                yield _line(shape.last(usage))
                            break
                        yield _line(shape.piece(event, first=not begun[event.choice]))
                        begun[event.choice] = True
                        event = await anext(events)
                except ApiError as error:  # the status is sent already
                    request.scope[NOTES]["error"] = error.code
                    yield _line(error.body())
                    return
                except Exception as error:
                    request.scope[NOTES]["error"] = without_text(error)
                    yield _line(failed().body())
                    return
            yield "data: [DONE]\n\n"

        return StreamingResponse(lines(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})

    async def _events(self, request: Request, job: Job) -> AsyncGenerator[Delta | Finished]:
        """What the engine says, within the time that an answer may take."""
        begun, first = time.perf_counter(), True
        deadline: Deadline = request.scope[DEADLINE]
        async with aclosing(self.engine.generate(job)) as events:
            while True:
                try:
                    async with asyncio.timeout_at(deadline.end):
                        event = await anext(events)
                except TimeoutError as error:
                    raise timed_out(deadline.seconds) from error
                except StopAsyncIteration:
                    return
                if first:
                    first = False
                    self.metrics.first_token.observe(time.perf_counter() - begun)
                yield event

    def _counted(self, request: Request, job: Job, end: Finished) -> dict[str, Any]:
        usage = usage_of(job.parts, end)
        counted = ("text_tokens", "vectors", "document_tokens", "completion_tokens")
        for name in counted:
            getattr(self.metrics, name).inc(usage[name])
        request.scope[NOTES].update({name: usage[name] for name in counted})
        return usage


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is given up when the client leaves or the request's time is up.

    Raises:
        ApiError: 504; 499, which nobody reads.
    """
    deadline: Deadline = request.scope[DEADLINE]
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_gone(request))
    try:
        left = deadline.end - asyncio.get_running_loop().time()
        done, _ = await asyncio.wait({task, gone}, timeout=max(left, 0), return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            return task.result()
        if not done:
            raise timed_out(deadline.seconds)
        raise ApiError(499, "the client left", code="client_left")
    finally:
        for each in (task, gone):
            each.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _line(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, separators=(',', ':'))}\n\n"
