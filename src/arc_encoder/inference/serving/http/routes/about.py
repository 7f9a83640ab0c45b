"""`/health`, `/ready`, `/spec`, `/metrics`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

import arc_encoder
from arc_encoder.inference.encoding.encode import trained_factors
from arc_encoder.inference.serving.documents.reader import DocumentReader
from arc_encoder.inference.serving.engines.base import Engine
from arc_encoder.inference.serving.http.metrics import Metrics
from arc_encoder.inference.serving.protocol.errors import unavailable
from arc_encoder.inference.serving.protocol.limits import Limits
from arc_encoder.inference.serving.protocol.openapi import ERRORS


def about_routes(engine: Engine, reader: DocumentReader, limits: Limits, metrics: Metrics, model: str) -> APIRouter:
    """What a gateway says of itself."""
    router = APIRouter(responses=ERRORS)
    compressor = reader.compressor
    spec = {
        "version": arc_encoder.__version__,
        "model": model,
        "engine": engine.name,
        "encoder": reader.models["encoder"],
        "factor": compressor.pooling_factor,
        "trained_factors": trained_factors(compressor.model),
        "decoder": compressor.decoder_name,
        "decoder_fingerprint": reader.models["decoder"],
        "width": reader.width,
        "dtype": str(next(compressor.model.parameters()).dtype).removeprefix("torch."),
        "limits": asdict(limits),
    }

    @router.get("/health")
    async def health() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @router.get("/ready")
    async def ready() -> dict[str, str]:
        """Whether a request would be answered now."""
        problem = await engine.problem()
        if problem is not None:
            raise unavailable(problem)
        return {"status": "ready"}

    @router.get("/spec")
    async def about() -> dict[str, Any]:
        """Encoder, factor, decoder and their fingerprints."""
        documents = None if reader.store is None else await reader.count()
        return {**spec, "documents": documents}

    @router.get("/metrics", response_class=Response)
    async def numbers() -> Response:
        """For Prometheus."""
        return Response(metrics.text(), media_type=metrics.content_type)

    return router
