"""What a client of the gateway is told when its request cannot be answered, in the shape that OpenAI's clients read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

OWN = "Value error, "  # how pydantic begins a reason that is ours


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


def failed() -> ApiError:
    """500: a fault of the gateway; its log says where."""
    return ApiError(500, "the gateway failed; its log says where", kind="server_error", code="internal_error")


def timed_out(seconds: float) -> ApiError:
    """504: the answer took longer than the gateway allows."""
    return ApiError(
        504,
        f"the answer was not finished within {seconds:g} seconds; ask for fewer tokens or shorter documents",
        kind="server_error",
        code="timeout",
    )


def mistakes_of(errors: Sequence[Mapping[str, Any]], body: Any) -> list[tuple[str, str]]:
    """What is wrong with a body: the place as its sender wrote it, and why. What it said there is not repeated.

    Args:
        errors: as pydantic tells them; of a field that may be several things, one for each of these.
        body: what was sent.
    """
    found: dict[tuple[str, ...], dict[str, None]] = {}
    for one in errors:
        here, place = body, []
        names = one["loc"][1:]  # after "body"
        for number, name in enumerate(names):
            known = name in here if isinstance(here, dict) else isinstance(here, list) and isinstance(name, int)
            if known and (isinstance(here, dict) or name < len(here)):
                place.append(str(name))
                here = here[name]
            elif one["type"] == "missing" and number == len(names) - 1:
                place.append(str(name))  # other names are those of types
        reasons = found.setdefault(tuple(place), {})
        reasons[one["msg"]] = None
    inner = {place: why for place, why in found.items() if not any(place == at[: len(place)] != at for at in found)}
    return [
        (".".join(place), each.removeprefix(OWN))
        for place, why in inner.items()
        for each in [one for one in why if one.startswith(OWN)]
        or why  # a reason of ours says more than what else it could be
    ]


def without_text(error: BaseException) -> str:
    """Kind and place of an error, for a log; not its message, which may quote a document."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    return f"{type(error).__name__}{place}"
