"""What a client of the gateway is told when its request cannot be answered, in the shape that OpenAI's clients read."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer with an HTTP status and an error object.

    Args:
        message: what was given, what was expected, what to do; never text of a document.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.param, self.code = status, message, kind, param, code
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The JSON object of the answer."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


def refused(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    """400: the request cannot be answered as it is."""
    return ApiError(400, message, param=param, code=code)


def not_found(message: str, *, param: str | None = None, code: str) -> ApiError:
    """404: what the request names is not here."""
    return ApiError(404, message, param=param, code=code)


def too_busy(message: str) -> ApiError:
    """429: as many requests as the gateway takes are under way."""
    return ApiError(429, message, kind="rate_limit_error", code="too_many_requests", headers={"Retry-After": "1"})


def unavailable(message: str) -> ApiError:
    """503: the engine does not answer now; the same request may work later."""
    return ApiError(503, message, kind="server_error", code="engine_unavailable", headers={"Retry-After": "2"})


def timed_out(seconds: float) -> ApiError:
    """504: the answer took longer than the gateway allows."""
    return ApiError(
        504,
        f"the answer was not finished within {seconds:g} seconds; ask for fewer tokens or shorter documents",
        kind="server_error",
        code="timeout",
    )


def told_without_text(error: BaseException) -> str:
    """Kind and place of an error, for a log; not its message, which may quote a document."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    return f"{type(error).__name__}{place}"
