"""`/embed`: a text → its vectors, as bytes of a safetensors file under the key `tensor`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.inference.serving.documents.reader import DocumentReader
from arc_encoder.inference.serving.documents.vectors_file import to_bytes
from arc_encoder.inference.serving.http.answering import unless_gone
from arc_encoder.inference.serving.http.guard import NOTES
from arc_encoder.inference.serving.protocol.openapi import ERRORS
from arc_encoder.inference.serving.protocol.schemas import DocumentSource, EmbedBody

MEDIA = "application/octet-stream"


def embed_routes(reader: DocumentReader) -> APIRouter:
    """The encoder by itself."""
    router = APIRouter(responses=ERRORS)

    @router.post("/embed", response_class=Response, responses={200: {"content": {MEDIA: {}}, "description": "Vectors"}})
    async def embed(request: Request, body: EmbedBody) -> Response:
        """Compress one text."""
        (document,) = await unless_gone(
            request,
            reader.read([DocumentSource(text=body.text)], factor=body.factor, max_vectors=body.max_vectors),
        )
        context = document.content
        assert isinstance(context, CompressedContext)
        request.scope[NOTES].update(vectors=len(context), document_tokens=context.origin.tokens)
        headers = {"x-arc-vectors": str(len(context)), "x-arc-tokens": str(context.origin.tokens)}
        return Response(to_bytes(context), media_type=MEDIA, headers=headers)

    return router
