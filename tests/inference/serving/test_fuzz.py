"""Bodies made up from the gateway's own OpenAPI document: none of them may make it fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS
from schemathesis.generation import GenerationMode

from arc_encoder.inference import Compressor
from arc_encoder.inference.serving.engines import TransformersEngine
from arc_encoder.inference.serving.protocol.limits import Limits
from arc_encoder.inference.serving.server import gateway_of
from tests.inference.serving.conftest import MODEL, Running, running

WANTED = ("not_a_server_error", "content_type_conformance", "response_schema_conformance")
SETTINGS = settings(
    max_examples=50, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.fixture(scope="module")
def small(compressor: Compressor, store: Path) -> Iterator[Running]:
    """Its answers are short, so that many can be asked for."""
    with running(
        gateway_of(compressor, TransformersEngine, store=store, page=True, limits=Limits(max_tokens=8))
    ) as found:
        yield found


def come_further(body: dict[str, Any]) -> None:
    """Let a made-up body past the first checks: what is made up of the rest reaches the engine."""
    body.update(max_tokens=4, n=1)
    for name in (
        "frequency_penalty",
        "presence_penalty",
        "logit_bias",
        "max_completion_tokens",
        "stream_options",
        "max_vectors",
    ):
        body.pop(name, None)
    if isinstance(body.get("messages"), list):
        body["messages"].append({"role": "user", "content": "Who?"})
        body.update(logprobs=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*too short to be compressed")
def test_no_made_up_body_makes_it_fail(small: Running) -> None:
    schema = schemathesis.openapi.from_url(f"{small.url}/openapi.json")
    checks = [CHECKS.get_one(name) for name in WANTED]
    sent: dict[str, dict[int, int]] = {}
    turn = count()

    def send(case: Any) -> None:
        if isinstance(case.body, dict) and "model" in case.body:
            case.body["model"] = MODEL  # nobody guesses it
            if next(turn) % 2:
                come_further(case.body)
        answer = case.call()
        case.validate_response(answer, checks=checks)
        counts = sent.setdefault(case.operation.label, {})
        counts[answer.status_code] = counts.get(answer.status_code, 0) + 1

    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in GenerationMode:
            with suppress(Unsatisfiable):  # what takes nothing cannot be given anything wrong
                SETTINGS(given(case=operation.as_strategy(generation_mode=mode))(send))()
    assert {"POST /v1/chat/completions", "POST /v1/completions", "POST /embed", "POST /inspect"} <= set(sent)
    assert all(status < 500 for counts in sent.values() for status in counts), sent
    assert all(
        200 in sent[name]
        for name in ("POST /v1/chat/completions", "POST /v1/completions", "POST /embed", "POST /inspect")
    ), sent
    assert sum(sum(counts.values()) for counts in sent.values()) > 350, sent
    print(sent)
