"""What every request passes first: key, limits of size and number, and the line in the log that it leaves."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arc_encoder.core.errors import ConfigError
from arc_encoder.inference.serving.http.metrics import Metrics
from arc_encoder.inference.serving.protocol.errors import ApiError, failed, too_busy, without_text
from arc_encoder.inference.serving.protocol.limits import Limits

VARIABLE = "ARC_API_KEY"


class ApiKeys:
    """Keys from a file and from the environment; never from a command line, which others can see.

    Args:
        file: with one key a line; None for none.

    Raises:
        ConfigError: a file that cannot be read, or that holds no key.
    """

    def __init__(self, file: str | Path | None = None, variable: str = VARIABLE) -> None:
        keys = [os.environ[variable]] if os.environ.get(variable) else []
        if file is not None:
            try:
                found = [line.strip() for line in Path(file).read_text(encoding="utf-8").splitlines() if line.strip()]
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"api_key_file={file} cannot be read ({error})") from error
            if not found:
                raise ConfigError(f"api_key_file={file} holds no key; write one a line, or leave the setting out")
            keys += found
        self._keys = [key.encode() for key in keys]

    def opens(self, header: bytes | None) -> bool:
        """Whether an Authorization header carries a key; all are compared, in constant time. Without any, everybody may ask."""
        if not self._keys:
            return True
        scheme, _, key = (header or b"").partition(b" ")
        right = [hmac.compare_digest(key.strip(), each) for each in self._keys]
        return scheme.lower() == b"bearer" and any(right)


OPEN = frozenset({"/", "/health", "/ready", "/metrics", "/openapi.json"})  # no key, and never too busy
NOTES = "arc.notes"  # in a request's scope: what its log line says besides
DEADLINE = "arc.deadline"  # in a request's scope: until when it has to be answered

log = logging.getLogger("arc_encoder.inference.serving.requests")


@dataclass(frozen=True)
class Deadline:
    """When a request has to be answered.

    Attributes:
        seconds: that it may take from its beginning.
        end: the time of the event loop then.
    """

    seconds: float
    end: float


class Guard:
    """Outermost part of the gateway."""

    def __init__(self, app: ASGIApp, keys: ApiKeys, limits: Limits, metrics: Metrics) -> None:
        self.app, self.keys, self.limits, self.metrics = app, keys, limits, metrics
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answered: dict[str, int] = {}
        id, begun = f"req-{secrets.token_hex(8)}", time.perf_counter()
        notes: dict[str, Any] = {}
        scope[NOTES] = notes
        scope[DEADLINE] = Deadline(self.limits.timeout, asyncio.get_running_loop().time() + self.limits.timeout)

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered["status"] = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", id.encode())]}
            await send(message)

        try:
            await self._pass(scope, receive, send_noted)
        except ApiError as error:
            notes["error"] = error.code or error.kind
            if not answered:
                await _answer(error)(scope, receive, send_noted)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            notes["error"] = without_text(error)
            if not answered:
                await _answer(failed())(scope, receive, send_noted)
        finally:
            seconds = time.perf_counter() - begun
            status = answered.get("status", 499)  # nobody was there any more
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.requests.labels(route, str(status)).inc()
            self.metrics.seconds.labels(route).observe(seconds)
            line = {"id": id, "method": scope["method"], "route": route, "status": status, "seconds": round(seconds, 4)}
            level = logging.ERROR if status >= 500 else logging.DEBUG if route in OPEN else logging.INFO
            log.log(level, "request", extra={"fields": {**line, **notes}})

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in OPEN:
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if not self.keys.opens(headers.get(b"authorization")):
            raise ApiError(
                401, "the API key is missing or wrong; send it as Authorization: Bearer <key>", code="invalid_api_key"
            )
        if self.in_flight >= self.limits.max_requests:
            raise too_busy(f"{self.in_flight} requests are under way, and no more are taken; come back in a second")
        self.in_flight += 1
        self.metrics.in_flight.set(self.in_flight)
        try:
            body = await self._body(headers, receive)
            given = False

            async def replay() -> Message:
                nonlocal given
                if given:
                    return await receive()
                given = True
                return {"type": "http.request", "body": body, "more_body": False}

            await self.app(scope, replay, send)
        finally:
            self.in_flight -= 1
            self.metrics.in_flight.set(self.in_flight)

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """The whole body, as far as it may be long and may take time."""
        most = self.limits.max_body_bytes
        too_large = ApiError(
            413,
            f"the body is larger than {self.limits.max_body_mib:g} MiB; send fewer or shorter documents",
            code="body_too_large",
        )
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            raise too_large
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.limits.body_timeout):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise ApiError(400, "the client left before its request was here", code="client_left")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise too_large
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError as error:
            raise ApiError(
                408, f"the body was not here within {self.limits.body_timeout:g} seconds", code="body_timeout"
            ) from error


def _answer(error: ApiError) -> JSONResponse:
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers)
