"""What the routes may answer besides, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
MEANINGS = {
    400: "The request cannot be answered as it is",
    401: "The key is missing or wrong",
    404: "What the request names is not here",
    408: "The body came too slowly",
    413: "The body is too large",
    415: "The body is no JSON",
    422: "Not used: mistakes of a body are told with 400",
    429: "Too many requests are under way",
    500: "The gateway failed",
    503: "The engine does not answer now",
    504: "The answer took too long",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": meaning, "content": {"application/json": {"schema": ERROR_SCHEMA}}}
    for status, meaning in MEANINGS.items()
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer, whole or as server-sent events",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/event-stream": {"schema": {}},
        },
    }
}
