"""Keys, limits, leaving clients, a failing engine, and many clients at once."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from openai import APITimeoutError, AuthenticationError, InternalServerError, RateLimitError

from arc_encoder.core.errors import ConfigError
from arc_encoder.inference import Compressor
from arc_encoder.inference.serving.engines import TransformersEngine
from arc_encoder.inference.serving.http.guard import ApiKeys
from arc_encoder.inference.serving.protocol.limits import Limits
from arc_encoder.inference.serving.server import NAME, JsonLines, gateway_of
from tests.inference.serving.conftest import MODEL, TEXTS, Running, running

LONG = {"model": MODEL, "prompt": "abc", "temperature": 0, "max_tokens": 400}


def engine_of(gateway: Running) -> TransformersEngine:
    engine = gateway.gateway.engine
    assert isinstance(engine, TransformersEngine)
    return engine


def until(what: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def slow(compressor: Compressor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway with a key that takes two requests at a time, each for a second; its decoder takes its time."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text("first\nsecond\n")
    limits = Limits(max_requests=2, timeout=1.0, body_timeout=0.5)
    gateway = gateway_of(compressor, TransformersEngine, limits=limits, api_key_file=file)
    assert isinstance(gateway.engine, TransformersEngine)
    step = gateway.engine.decoding.step

    def slowly() -> None:
        time.sleep(0.02)
        step()

    gateway.engine.decoding.step = slowly  # type: ignore[method-assign]
    with running(gateway) as found:
        yield found


def test_keys(slow: Running) -> None:
    assert slow.client("second").models.list().data
    for wrong in ("third", "first second", "firstt"):
        with pytest.raises(AuthenticationError) as caught:
            slow.client(wrong).models.list()
        assert caught.value.code == "invalid_api_key"
    assert httpx.get(f"{slow.url}/spec").status_code == 401
    assert httpx.get(f"{slow.url}/health").status_code == 200


def test_keys_are_read_from_file_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARC_API_KEY", "from outside")
    assert ApiKeys().opens(b"Bearer from outside")
    assert not ApiKeys().opens(b"Basic from outside")
    assert not ApiKeys().opens(None)
    (tmp_path / "none").write_text("\n")
    with pytest.raises(ConfigError, match="no key"):
        ApiKeys(tmp_path / "none")
    with pytest.raises(ConfigError, match="cannot be read"):
        ApiKeys(tmp_path / "missing")
    monkeypatch.delenv("ARC_API_KEY")
    assert ApiKeys().opens(None)


@pytest.mark.parametrize(("name", "value"), [("max_requests", 0), ("timeout", -1), ("max_body_mib", True)])
def test_limits_that_let_nothing_through(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        Limits(**{name: value})


def test_an_answer_that_takes_too_long(slow: Running) -> None:
    with pytest.raises(InternalServerError) as caught:
        slow.client("first").completions.create(**LONG)
    assert caught.value.status_code == 504
    assert caught.value.code == "timeout"
    until(lambda: not engine_of(slow).decoding.active)


def test_a_stream_that_takes_too_long_ends_with_an_error(slow: Running) -> None:
    headers = {"Authorization": "Bearer first"}
    with httpx.stream("POST", f"{slow.url}/v1/completions", json={**LONG, "stream": True}, headers=headers) as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert json.loads(lines[-1].removeprefix("data: "))["error"]["code"] == "timeout"


def test_too_many_at_once_are_told_to_come_back(slow: Running) -> None:
    client = slow.client("first")

    def ask(_: int) -> str:
        try:
            client.completions.create(**{**LONG, "max_tokens": 20})
        except RateLimitError as error:
            return f"busy, come back in {error.response.headers['retry-after']}"
        return "answered"

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(ask, range(8)))
    assert 2 <= told.count("answered") < 8
    assert set(told) == {"answered", "busy, come back in 1"}
    assert client.completions.create(**{**LONG, "max_tokens": 2}).choices[0].text is not None


def test_a_body_that_comes_too_slowly(slow: Running) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"text": "'
        time.sleep(1)
        yield b'"}'

    headers = {"Authorization": "Bearer first", "content-type": "application/json"}
    answer = httpx.post(f"{slow.url}/embed", content=pieces(), headers=headers)
    assert answer.status_code == 408


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_its_generation(slow: Running, stream: bool) -> None:
    decoding = engine_of(slow).decoding
    said = []

    def ask() -> None:
        client = slow.client("first", timeout=0.25)
        try:
            answer = client.completions.create(**LONG, stream=stream)
            for each in answer if stream else []:
                said.append(each)
                if len(said) == 2:
                    answer.close()
                    return
        except APITimeoutError:
            pass

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: decoding.active)
    (active,) = decoding.active
    asking.join()
    until(lambda: not decoding.active, 0.5)  # before the time is up
    assert active.work.cancelled
    assert len(active.answer.ids) < 45
    until(lambda: httpx.get(f"{slow.url}/metrics").text.count("arc_requests_in_flight 0.0") == 1)


def test_a_failing_engine_is_told_and_recovers(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, client = engine_of(gateway), gateway.client()
    good = client.completions.create(**{**LONG, "max_tokens": 5}).choices[0].text
    broken = threading.Event()
    forward = engine.decoding._forward

    def fails(*args: Any) -> Any:
        if broken.is_set():
            raise RuntimeError("out of memory while reading the secret document")
        return forward(*args)

    monkeypatch.setattr(engine.decoding, "_forward", fails)
    broken.set()
    for _ in range(3):
        with pytest.raises(InternalServerError) as caught:
            client.completions.create(**{**LONG, "max_tokens": 5})
        assert caught.value.status_code == 503
        assert "secret" not in caught.value.message
    assert httpx.get(f"{gateway.url}/ready").status_code == 503
    assert httpx.get(f"{gateway.url}/health").status_code == 200
    broken.clear()
    until(lambda: httpx.get(f"{gateway.url}/ready").status_code == 200, 5)
    assert client.completions.create(**{**LONG, "max_tokens": 5}).choices[0].text == good


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_thread_is_started_again(gateway: Running) -> None:
    loop = engine_of(gateway).loop
    waits = ThreadPoolExecutor(1).submit(gateway.client().completions.create, **LONG)
    until(lambda: loop.decoding.active)
    loop.call(sys.exit)
    with pytest.raises(InternalServerError) as caught:
        waits.result(10)
    assert caught.value.status_code == 503
    assert gateway.client().completions.create(**{**LONG, "max_tokens": 2}).choices


def test_the_log_is_json_without_text(gateway: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, NAME):
        gateway.client().chat.completions.create(
            model=MODEL, max_tokens=2, messages=[{"role": "user", "content": "secret question"}],
            extra_body={"documents": ["a secret document"]},
        )  # fmt: skip
        httpx.post(f"{gateway.url}/embed", json={"text": "secret " * 100_000})
        until(lambda: len([r for r in caplog.records if r.name.startswith(NAME)]) >= 2)
    lines = [JsonLines().format(record) for record in caplog.records if record.name.startswith(NAME)]
    told = [json.loads(line) for line in lines]
    assert {each["status"] for each in told} == {200, 400}
    assert told[0]["vectors"] > 0
    assert told[0]["route"] == "/v1/chat/completions"
    assert not any("secret" in line for line in lines)


def prompts(count: int) -> list[dict[str, Any]]:
    """Requests of every kind, about 40 different ones."""
    draw = random.Random(0)
    kinds = []
    for number in range(40):
        body: dict[str, Any] = {
            "model": MODEL,
            "max_tokens": draw.randint(1, 12),
            "temperature": draw.choice([0, 0, 0.8]),
            "seed": number,
        }
        document: dict[str, str] = draw.choice([{"id": draw.choice(list(TEXTS))}, {"text": f"Document {number}. " * 4}])
        if number % 3 == 0:
            body["prompt"] = f"Number {number}: "
        else:
            body["messages"] = [{"role": "user", "content": f"Question {number}?"}]
            body |= {"documents": [document], "factor": draw.choice([2, 4, 8]), "n": draw.choice([1, 1, 2])}
        kinds.append(body)
    return [draw.choice(kinds) for _ in range(count)]


def texts_of(answer: dict[str, Any]) -> list[str]:
    return [each["text"] if "text" in each else each["message"]["content"] for each in answer["choices"]]


@pytest.mark.slow
def test_a_thousand_requests_by_fifty_clients(gateway: Running) -> None:
    """No error, no mixed answers: each is what the gateway says to the same request alone. Memory stays flat."""
    asked = prompts(1000)
    path = {True: "/v1/completions", False: "/v1/chat/completions"}
    alone: dict[str, tuple[list[str], Any]] = {}
    with httpx.Client(base_url=gateway.url, timeout=60) as client:
        for body in asked:
            key = json.dumps(body)
            if key not in alone:
                found = client.post(path["prompt" in body], json=body).json()
                alone[key] = texts_of(found), found["usage"]
    process, memory = psutil.Process(), []

    async def all_of_them() -> list[tuple[dict[str, Any], httpx.Response]]:
        waiting, found = list(asked), []

        async def one_client() -> None:
            async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
                while waiting:
                    body = waiting.pop()
                    found.append((body, await client.post(path["prompt" in body], json=body)))
                    if len(found) % 100 == 0:
                        memory.append(process.memory_info().rss)

        await asyncio.gather(*(one_client() for _ in range(50)))
        return found

    answers = asyncio.run(all_of_them())
    assert len(answers) == 1000
    assert {answer.status_code for _, answer in answers} == {200}
    mixed = [body for body, answer in answers if texts_of(answer.json()) != alone[json.dumps(body)][0]]
    assert mixed == []
    assert all(answer.json()["usage"] == alone[json.dumps(body)][1] for body, answer in answers)
    assert len({text for texts, _ in alone.values() for text in texts}) > 20  # they differ, so mixing would show
    assert max(memory[5:]) - memory[4] < 40 * 2**20, [each >> 20 for each in memory]
    assert engine_of(gateway).decoding.active == []


def test_gateways_of_vectors_of_other_models_are_refused(compressor: Compressor, tmp_path: Path) -> None:
    from dataclasses import replace

    from arc_encoder.core.errors import CheckpointError
    from arc_encoder.inference.storage import VectorStore

    VectorStore.create(tmp_path / "store", replace(compressor.origin_of_vectors(), encoder="0" * 64)).close()
    with pytest.raises(CheckpointError, match="another encoder"):
        gateway_of(compressor, partial(TransformersEngine, max_batch=2), store=tmp_path / "store")
