"""`/v1/chat/completions`, `/v1/completions`, `/v1/models`."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from arc_encoder.inference.serving.documents.reader import DocumentReader
from arc_encoder.inference.serving.engines.base import Engine, Job
from arc_encoder.inference.serving.http.answering import Responder, unless_gone
from arc_encoder.inference.serving.http.metrics import Metrics
from arc_encoder.inference.serving.protocol.errors import not_found
from arc_encoder.inference.serving.protocol.jobs import Jobs
from arc_encoder.inference.serving.protocol.limits import Limits
from arc_encoder.inference.serving.protocol.openapi import ERRORS, STREAM
from arc_encoder.inference.serving.protocol.schemas import ChatBody, CompletionBody, GenerationBody
from arc_encoder.inference.serving.protocol.shapes import ChatShape, CompletionShape, Shape


def openai_routes(engine: Engine, reader: DocumentReader, limits: Limits, metrics: Metrics, model: str) -> APIRouter:
    """OpenAI's part of the gateway."""
    router = APIRouter(prefix="/v1", responses=ERRORS)
    jobs, responder = Jobs(reader, limits, model, engine.format), Responder(engine, metrics)
    begun = int(time.time())

    async def answer(request: Request, body: GenerationBody, made: Awaitable[Job], kind: type[Shape]) -> Response:
        job = await made
        shape = kind(model, logprobs=job.logprobs is not None)
        if not body.stream:
            return await responder.whole(request, job, shape)
        wanted = body.stream_options is not None and body.stream_options.include_usage
        return await responder.stream(request, job, shape, include_usage=wanted)

    @router.post("/chat/completions", responses=STREAM)
    async def chat(request: Request, body: ChatBody) -> Response:
        """Answer a chat whose messages may hold documents."""
        return await unless_gone(request, answer(request, body, jobs.of_chat(body), ChatShape))

    @router.post("/completions", responses=STREAM)
    async def complete(request: Request, body: CompletionBody) -> Response:
        """Go on with a prompt that may hold documents."""
        return await unless_gone(request, answer(request, body, jobs.of_completion(body), CompletionShape))

    def served() -> dict[str, Any]:
        return {"id": model, "object": "model", "created": begun, "owned_by": "arc-encoder"}

    @router.get("/models")
    async def models() -> dict[str, Any]:
        """The models that are served here: one."""
        return {"object": "list", "data": [served()]}

    @router.get("/models/{name:path}")
    async def one_model(name: str) -> dict[str, Any]:
        """One of them."""
        if name != model:
            raise not_found(
                f"model {name!r} is not served here; this gateway serves {model!r}",
                param="model",
                code="model_not_found",
            )
        return served()

    return router
