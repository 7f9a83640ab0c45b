"""`/`: a page for people; `/inspect`: what each vector of a document says."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.inference.encoding.encode import trained_factors
from arc_encoder.inference.serving.documents.reader import DocumentReader
from arc_encoder.inference.serving.engines.base import Engine
from arc_encoder.inference.serving.http.answering import unless_gone
from arc_encoder.inference.serving.page.inspection import Inspection
from arc_encoder.inference.serving.protocol.errors import refused
from arc_encoder.inference.serving.protocol.openapi import ERRORS
from arc_encoder.inference.serving.protocol.schemas import DocumentSource, InspectBody

FACTORS = (2.0, 4.0, 8.0)  # that can be chosen besides those that were trained
MOST_VECTORS = 2048  # that are looked at: meanwhile nobody is answered
PAGE = Path(__file__).parents[2] / "page" / "index.html"


def page_routes(engine: Engine, reader: DocumentReader, model: str) -> APIRouter:
    """The page, and what it asks for besides answers."""
    router = APIRouter(responses=ERRORS)
    own = reader.compressor.pooling_factor
    factors = [] if own is None else sorted({*FACTORS, own, *trained_factors(reader.compressor.model)})
    html = (
        PAGE.read_text(encoding="utf-8")
        .replace("__MODEL__", escape(model))
        .replace("__FACTORS__", ",".join(f"{each:g}" for each in factors))
        .replace("__FACTOR__", "" if own is None else f"{own:g}")
    )
    inspection = None if reader.compressor.decoder is None else Inspection(reader.compressor)

    @router.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page() -> HTMLResponse:
        """A document on the left, questions on the right."""
        return HTMLResponse(html)

    @router.post("/inspect")
    async def inspect(request: Request, body: InspectBody) -> dict[str, Any]:
        """What each vector of a text says: the piece behind it, the nearest tokens, how much of it comes back."""
        return await unless_gone(request, looked_at(body))

    async def looked_at(body: InspectBody) -> dict[str, Any]:
        if inspection is None:
            raise refused(
                "what vectors say is seen with the decoder, which this gateway does not have", code="no_decoder"
            )
        (document,) = await reader.read(
            [DocumentSource(text=body.text)], factor=body.factor, max_vectors=body.max_vectors
        )
        context = document.content
        assert isinstance(context, CompressedContext)
        if len(context) > MOST_VECTORS:
            raise refused(f"{len(context)} vectors are too many to look at; {MOST_VECTORS} at most", param="text")
        words = await asyncio.wrap_future(engine.call(lambda: inspection.look(context, body.text, body.nearest)))
        norms = context.norms.tolist()
        return {
            "tokens": context.origin.tokens,
            "factor": context.origin.factor,
            "vectors": [{**asdict(each), "norm": round(norm, 3)} for each, norm in zip(words, norms, strict=True)],
        }

    return router
