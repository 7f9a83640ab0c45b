"""The gateway's HTTP side, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

import arc_encoder
from arc_encoder.core.errors import ArcError
from arc_encoder.inference.serving.documents.reader import DocumentReader
from arc_encoder.inference.serving.engines.base import Engine
from arc_encoder.inference.serving.http.guard import NOTES, ApiKeys, Guard
from arc_encoder.inference.serving.http.metrics import Metrics
from arc_encoder.inference.serving.http.routes.about import about_routes
from arc_encoder.inference.serving.http.routes.embed import embed_routes
from arc_encoder.inference.serving.http.routes.openai import openai_routes
from arc_encoder.inference.serving.protocol.errors import ApiError, failed, mistakes_of, without_text
from arc_encoder.inference.serving.protocol.limits import Limits


@dataclass(frozen=True)
class Gateway:
    """What a gateway consists of."""

    engine: Engine
    reader: DocumentReader
    model: str
    limits: Limits = field(default_factory=Limits)
    keys: ApiKeys = field(default_factory=ApiKeys)
    page: bool = False


def create_app(gateway: Gateway) -> FastAPI:
    """The gateway as an ASGI application."""
    metrics = Metrics(lambda: _counters(gateway))

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        gateway.reader.encoder.start()
        await gateway.engine.start()
        yield
        await gateway.engine.stop()
        gateway.reader.encoder.stop()
        gateway.reader.close()

    app = FastAPI(
        title="ARC-Encoder gateway",
        version=arc_encoder.__version__,
        summary="OpenAI's protocol, and documents as compressed vectors.",
        lifespan=running,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(Guard, keys=gateway.keys, limits=gateway.limits, metrics=metrics)
    app.include_router(openai_routes(gateway.engine, gateway.reader, gateway.limits, metrics, gateway.model))
    app.include_router(embed_routes(gateway.reader))
    app.include_router(about_routes(gateway.engine, gateway.reader, gateway.limits, metrics, gateway.model))
    if gateway.page:
        from arc_encoder.inference.serving.http.routes.page import page_routes

        app.include_router(page_routes(gateway.engine, gateway.reader, gateway.model))
    app.add_exception_handler(ApiError, _responded)
    app.add_exception_handler(ArcError, _arc_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app


def _counters(gateway: Gateway) -> dict[str, float]:
    encoder = gateway.reader.encoder
    mine = {
        "documents_encoded": encoder.encoded,
        "document_batches": encoder.batches,
        "document_cache_hits": encoder.hits,
        "document_cache_bytes": encoder.cache.used,
    }
    return mine | gateway.engine.counters()


async def _responded(request: Request, error: Any) -> Response:
    request.scope[NOTES]["error"] = error.code or error.kind
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers)


async def _arc_error(request: Request, error: Any) -> Response:
    """What nobody turned into an answer: its message is for whoever runs the gateway, and may name folders and addresses."""
    answer = await _responded(request, failed())
    request.scope[NOTES]["error"] = without_text(error)
    return answer


async def _http_error(request: Request, error: Any) -> Response:
    return await _responded(request, ApiError(error.status_code, str(error.detail), headers=dict(error.headers or {})))


async def _invalid(request: Request, error: Any) -> Response:
    """The first few mistakes of a body; what it said there is not repeated."""
    mistakes = mistakes_of(error.errors(), error.body)
    message = "; ".join(f"{place or 'body'}: {why}" for place, why in mistakes[:3])
    return await _responded(request, ApiError(400, message, param=mistakes[0][0] or None, code="invalid_body"))
