"""What fails concerns nobody but those who asked for it, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import base64
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from arc_encoder.inference import Compressor
from arc_encoder.inference.serving.documents.encoder_queue import EncoderQueue
from arc_encoder.inference.serving.documents.vectors_file import to_bytes
from arc_encoder.inference.serving.engines import TransformersEngine
from arc_encoder.inference.serving.protocol.errors import ApiError
from arc_encoder.inference.serving.protocol.limits import Limits
from arc_encoder.inference.serving.server import gateway_of
from arc_encoder.inference.storage import FloatCodec, VectorStore
from tests.inference.serving.conftest import MODEL, TEXTS, Running, running


@contextmanager
def small(compressor: Compressor, **limits: Any) -> Iterator[tuple[Running, TransformersEngine]]:
    """A gateway that reads prompts of 40 positions together, with the page."""
    engine = partial(TransformersEngine, max_batch=8, prefill_positions=40)
    with running(gateway_of(compressor, engine, page=True, limits=Limits(**limits))) as found:
        assert isinstance(found.gateway.engine, TransformersEngine)
        yield found, found.gateway.engine


def complete(gateway: Running, prompt: Any, **options: Any) -> httpx.Response:
    body = {"model": MODEL, "prompt": prompt, "max_tokens": 3, "temperature": 0, **options}
    return httpx.post(f"{gateway.url}/v1/completions", json=body, timeout=30)


def held(engine: TransformersEngine) -> threading.Event:
    """Keeps the decoder busy until it is set, so that what comes meanwhile is taken in together."""
    begun, event = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        event.wait(10)

    engine.call(wait)
    assert begun.wait(10)
    return event


def until(what: Any) -> None:
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def test_a_prompt_that_cannot_be_read_concerns_nobody_else(
    compressor: Compressor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither those whose answers are being generated, nor those who wait behind it."""
    with small(compressor, timeout=20) as (gateway, engine):
        good = {length: complete(gateway, "x" * length).json()["choices"] for length in (20, 60, 100)}
        running_answer = complete(gateway, "abc", max_tokens=200).json()["choices"]
        read = engine.decoding.read

        def fails(works: Any) -> None:
            if len(works[0].runs[0]) < 30:
                raise RuntimeError("out of memory")
            read(works)

        with ThreadPoolExecutor(4) as pool:
            until(lambda: not engine.decoding.active)
            long = pool.submit(complete, gateway, "abc", max_tokens=200)
            until(lambda: engine.decoding.active)
            monkeypatch.setattr(engine.decoding, "read", fails)
            event = held(engine)
            asked = {length: pool.submit(complete, gateway, "x" * length) for length in good}
            until(lambda: engine.loop.waiting == 3)
            event.set()
            told = {length: each.result() for length, each in asked.items()}
            assert told[20].status_code == 503
            assert {length: told[length].json()["choices"] for length in (60, 100)} == {
                length: good[length] for length in (60, 100)
            }
            assert long.result().json()["choices"] == running_answer
        assert engine.loop.failures == 1
        assert httpx.get(f"{gateway.url}/ready").status_code == 200


def test_prompts_behind_one_that_breaks_the_decoder_are_answered(
    compressor: Compressor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small(compressor, timeout=20) as (gateway, engine):
        forward, left = engine.decoding._forward, [2]  # the prompt, and the look whether the decoder works

        def fails(*args: Any) -> Any:
            if left[0]:
                left[0] -= 1
                raise RuntimeError("no memory")
            return forward(*args)

        event = held(engine)
        with ThreadPoolExecutor(3) as pool:
            asked = [pool.submit(complete, gateway, "x" * length) for length in (20, 60, 100)]
            until(lambda: engine.loop.waiting == 3)
            monkeypatch.setattr(engine.decoding, "_forward", fails)
            event.set()
            told = [each.result().status_code for each in asked]
    assert told == [503, 200, 200]


def test_nobody_waits_for_a_decoder_that_is_broken_or_ends(
    compressor: Compressor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small(compressor, timeout=20) as (gateway, engine):

        def fails(*_: Any) -> Any:
            raise RuntimeError("broken")

        with monkeypatch.context() as patched:
            patched.setattr(engine.decoding, "_forward", fails)
            assert complete(gateway, "abc").status_code == 503
            for _ in range(2):
                answer = httpx.post(f"{gateway.url}/inspect", json={"text": TEXTS["mill"]}, timeout=5)
                assert answer.status_code == 503
        until(lambda: httpx.get(f"{gateway.url}/ready").status_code == 200)
        assert "arc_requests_in_flight 0.0" in httpx.get(f"{gateway.url}/metrics").text
        event = held(engine)
        engine.loop._incoming.put(None)  # what comes behind it is taken in later
        waiting: Future[None] = engine.call(lambda: None)
        engine.loop._ending = True
        event.set()
        for each in (waiting, engine.call(lambda: None)):
            with pytest.raises(ApiError, match=r"ended|shutting down"):
                each.result(5)


def test_inspecting_has_a_deadline_and_is_given_up(compressor: Compressor) -> None:
    with small(compressor, timeout=0.25) as (gateway, engine):
        event = held(engine)
        answer = httpx.post(f"{gateway.url}/inspect", json={"text": TEXTS["mill"]}, timeout=5)
        assert answer.status_code == 504
        event.set()


class SlowEncoder:
    """An encoder that waits until it may work, and counts."""

    def __init__(self, compressor: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may, self.texts, encode = threading.Event(), [], compressor.encode

        def slowly(texts: Any, **options: Any) -> Any:
            self.texts += texts
            self.may.wait(10)
            return encode(texts, **options)

        self.texts: list[str]
        monkeypatch.setattr(compressor, "encode", slowly)


def test_encoding_has_a_deadline(compressor: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = SlowEncoder(compressor, monkeypatch)
    with small(compressor, timeout=0.25) as (gateway, _):
        document = [{"type": "document", "text": "A text that nobody encoded."}, {"type": "text", "text": "x"}]
        for stream in (False, True):
            assert complete(gateway, document, stream=stream).status_code == 504
        answer = httpx.post(f"{gateway.url}/embed", json={"text": "Another text."}, timeout=5)
        assert answer.status_code == 504
        assert answer.json()["error"]["code"] == "timeout"
        encoder.may.set()


def test_a_new_text_that_many_send_is_encoded_once(compressor: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = SlowEncoder(compressor, monkeypatch)
    text = "A new text that everybody asks about."
    with small(compressor) as (gateway, _), ThreadPoolExecutor(12) as pool:
        gone = pool.submit(httpx.post, f"{gateway.url}/embed", json={"text": text}, timeout=0.3)
        asked = [pool.submit(httpx.post, f"{gateway.url}/embed", json={"text": text}, timeout=20) for _ in range(10)]
        with pytest.raises(httpx.TimeoutException):  # one that leaves takes nothing from the others
            gone.result()
        encoder.may.set()
        assert {each.result().status_code for each in asked} == {200}
    assert encoder.texts == [text]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_encoder_whose_thread_dies_is_started_again(compressor: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = EncoderQueue(compressor)

    async def ask() -> int:
        return len(await queue.encode("A text.", None))

    with monkeypatch.context() as patched:
        patched.setattr(compressor, "encode", lambda *_, **__: sys.exit())
        with pytest.raises(RuntimeError, match="ended"):
            asyncio.run(asyncio.wait_for(ask(), 5))
    assert queue._thread is not None
    queue._thread.join(5)
    assert asyncio.run(asyncio.wait_for(ask(), 5)) > 0
    queue.stop()


@pytest.mark.filterwarnings("ignore:.*has other weights")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_vectors_that_the_decoder_cannot_hold(folder: Path, language_model: Path, dtype: torch.dtype) -> None:
    loaded = Compressor.from_pretrained(folder, decoder=language_model)
    assert loaded.decoder is not None
    loaded.decoder.model.to(dtype)
    (context,) = loaded.encode([TEXTS["mill"]])
    big = replace(context, vectors=torch.full_like(context.vectors, 3.4028234e38))
    document = {"safetensors": base64.b64encode(to_bytes(big)).decode()}
    engine = partial(TransformersEngine, self_test=False)
    with running(gateway_of(loaded, engine)) as gateway:
        answer = complete(gateway, "Who?", documents=[document], logprobs=1)
        assert answer.status_code == 400
        assert "not finite" in answer.json()["error"]["message"]
        assert complete(gateway, "Who?", logprobs=1).status_code == 200


@pytest.mark.slow
def test_documents_are_deleted_under_load(compressor: Compressor, tmp_path: Path) -> None:
    """Each request finds its document or is told that it is not there, while others are added, deleted and compacted."""
    store = VectorStore.create(tmp_path / "store", compressor.origin_of_vectors(), FloatCodec("float32"))
    store.add({"keep": compressor.encode([TEXTS["mill"]])[0]})
    store.close()
    contexts = compressor.encode([f"document number {number}" for number in range(6)])
    stop, rounds = threading.Event(), 0

    def churn() -> None:
        nonlocal rounds
        other = VectorStore(tmp_path / "store")
        while not stop.is_set():
            other.add({f"x{number}": context for number, context in enumerate(contexts)})
            time.sleep(0.01)
            other.delete([f"x{number}" for number in range(6)])
            other.compact()
            rounds += 1
        other.close()

    def ask(number: int) -> tuple[str, int, str | None]:
        id = f"x{number % 6}" if number % 2 else "keep"
        answer = complete(gateway, "x", max_tokens=1, documents=[{"id": id}])
        return id[0], answer.status_code, (answer.json().get("error") or {}).get("code")

    made = gateway_of(compressor, partial(TransformersEngine, max_batch=8), store=tmp_path / "store")
    with running(made) as gateway:
        churning = threading.Thread(target=churn)
        churning.start()
        with ThreadPoolExecutor(8) as pool:
            told = set(pool.map(ask, range(160)))
        stop.set()
        churning.join()
    assert rounds > 3
    assert told <= {("k", 200, None), ("x", 200, None), ("x", 404, "document_not_found")}
    assert {("k", 200, None), ("x", 404, "document_not_found")} <= told
