"""What vLLM does by itself, and must not do to an answer: its defaults, its window, its lines, its tokens."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from openai import APIStatusError, BadRequestError

from arc_encoder.inference import Compressor
from arc_encoder.inference.serving.documents.vectors_file import to_bytes
from arc_encoder.inference.serving.engines import VllmEngine
from arc_encoder.inference.serving.engines.remote import engine as remote
from arc_encoder.inference.serving.protocol.shapes import CompletionShape
from arc_encoder.inference.serving.server import gateway_of
from arc_encoder.inference.serving.vllm import EmbeddingTable
from arc_encoder.inference.serving.vllm.requests import to_base64
from tests.inference.serving import stand_in
from tests.inference.serving.conftest import MODEL, TEXTS, Running, running
from tests.inference.serving.stand_in_gateways import ask, base, chat_models, served, server

__all__ = ["base", "chat_models", "served"]
TEXT = TEXTS["bridge"]
DEFAULTS = {"repetition_penalty": 1.05, "top_k": 1, "temperature": 0.6}  # as of Qwen2.5 Instruct, top_k aside
DRAWN: dict[str, Any] = {"model": MODEL, "prompt": "Tell: ", "temperature": 1.5, "seed": 4, "max_tokens": 12}
DOCUMENT = [{"type": "document", "text": TEXT}, {"type": "text", "text": "Who?"}]


@contextmanager
def chats(models: tuple[Path, Path], *, decoder: bool, **options: Any) -> Iterator[Any]:
    """A gateway that sends chats as parts, and the server behind it."""
    app = stand_in.create(str(models[0]), **options)
    with server(app) as url:
        folder = str(models[0]) if decoder else None
        made = gateway_of(Compressor.from_pretrained(models[1]), partial(VllmEngine, url=url, decoder=folder))
        with running(made) as found:
            yield found, app


@pytest.fixture(scope="module", params=[True, False], ids=["counted", "tried"])
def chat(request: pytest.FixtureRequest, chat_models: tuple[Path, Path]) -> Iterator[tuple[Running, Any]]:
    """Chats as parts, with the decoder's folder here and without."""
    with chats(chat_models, decoder=request.param) as found:
        yield found


def test_the_servers_own_defaults_change_nothing(base: Running, folder: Path, language_model: Path) -> None:
    app = stand_in.create(str(language_model), defaults=DEFAULTS)
    with server(app) as url:
        made = gateway_of(Compressor.from_pretrained(folder), partial(VllmEngine, url=url, decoder=str(language_model)))
        with running(made) as found:
            one, other = (each.client().completions.create(**DRAWN).choices[0].text for each in (found, base))
            assert ask(found.client(), DOCUMENT).choices
    assert one == other
    assert not app.state.dead


def test_chats_leave_nothing_to_the_servers_defaults(chat_models: tuple[Path, Path]) -> None:
    with chats(chat_models, decoder=True, defaults=DEFAULTS) as (found, app):
        assert ask(found.client(), DOCUMENT, temperature=1).choices
        assert app.state.bodies[-1]["repetition_penalty"] == 1
        assert not app.state.dead


def test_the_stand_in_dies_of_a_default_penalty(language_model: Path) -> None:
    app = stand_in.create(str(language_model), defaults=DEFAULTS)
    body = {"prompt": None, "prompt_embeds": to_base64(EmbeddingTable(language_model).rows([5])), "max_tokens": 2}
    with server(app) as url:
        assert httpx.post(f"{url}/v1/completions", json=body).status_code == 500
        assert httpx.get(f"{url}/health").status_code == 500


def test_several_greedy_answers(base: Running, served: tuple[str, Any]) -> None:
    options = {**DRAWN, "temperature": 0, "n": 3, "max_tokens": 5}
    answer = base.client().completions.create(**options)
    assert len({each.text for each in answer.choices}) == 1
    assert [each.index for each in answer.choices] == [0, 1, 2]
    assert answer.usage is not None
    assert answer.usage.completion_tokens % 3 == 0
    said = ["", "", ""]
    for chunk in base.client().completions.create(stream=True, **options):
        for choice in chunk.choices:
            said[choice.index] += choice.text
    assert said == [each.text for each in answer.choices]
    assert served[1].state.bodies[-1]["n"] == 1


@pytest.mark.parametrize("temperature", [1e-6, 5e-324])
def test_a_temperature_that_is_as_good_as_zero(base: Running, temperature: float) -> None:
    one, other = (
        base.client().completions.create(**{**DRAWN, "temperature": each, "n": 2}).choices for each in (0, temperature)
    )
    assert [each.text for each in one] == [each.text for each in other]


def test_a_seed_is_sent_where_the_client_chose_one(base: Running, served: tuple[str, Any]) -> None:
    base.client().completions.create(**DRAWN)
    assert served[1].state.bodies[-1]["seed"] == 4
    base.client().completions.create(**{**DRAWN, "seed": None})
    assert "seed" not in served[1].state.bodies[-1]


def test_answers_that_ignore_ends(chat_models: tuple[Path, Path]) -> None:
    """The end of a turn is sent as an id that stops, except where nothing stops."""
    decoder, folder = chat_models
    app = stand_in.create(str(decoder))
    with server(app) as url:
        engine = partial(VllmEngine, url=url, decoder=str(decoder), prompts="embeddings")
        with running(gateway_of(Compressor.from_pretrained(folder), engine)) as found:
            ask(found.client(), DOCUMENT)
            assert app.state.bodies[-1]["stop_token_ids"]
            ask(found.client(), DOCUMENT, extra_body={"ignore_eos": True})
            assert "stop_token_ids" not in app.state.bodies[-1]
            assert app.state.bodies[-1]["ignore_eos"] is True


@pytest.mark.parametrize("text", ["one\u2028two", "one\u2029two", "one\x85two", "a\x0bb\x0cc\x1cd", "日本 🎉"])
def test_what_ends_lines_elsewhere_is_text(base: Running, served: tuple[str, Any], text: str) -> None:
    served[1].state.say = text
    try:
        options = {**DRAWN, "n": 1}
        assert base.client().completions.create(**options).choices[0].text == text
        chunks = list(base.client().completions.create(stream=True, **options))
        assert "".join(each.choices[0].text for each in chunks) == text
    finally:
        served[1].state.say = None


@pytest.mark.parametrize(
    "line", ["data: {", 'data: {"choices": [{}]}', 'data: {"choices": 3}', "data: [1]", "data: \udcff"]
)
def test_lines_that_cannot_be_read(served: tuple[str, Any], base: Running, line: str, monkeypatch: Any) -> None:
    """Before the first piece the status says it; in a stream, an error event."""

    async def lines_of(_: Any) -> Any:
        for each in waiting:
            yield each

    monkeypatch.setattr(remote, "lines_of", lines_of)
    waiting = [line]
    with pytest.raises(APIStatusError) as caught:
        base.client().completions.create(**DRAWN)
    assert caught.value.status_code == 503
    waiting = ['data: {"choices": [{"index": 0, "text": "secret", "finish_reason": null}]}', line]
    with httpx.stream("POST", f"{base.url}/v1/completions", json={**DRAWN, "stream": True}) as answer:
        told = [each for each in answer.iter_lines() if each]
    assert answer.status_code == 200
    assert json.loads(told[-1].removeprefix("data: "))["error"]["code"] == "engine_unavailable"


def test_an_unforeseen_fault_ends_a_stream_with_an_error(base: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret")

    monkeypatch.setattr(CompletionShape, "last", fails)
    body = {**DRAWN, "stream": True, "stream_options": {"include_usage": True}}
    with httpx.stream("POST", f"{base.url}/v1/completions", json=body) as answer:
        told = [each for each in answer.iter_lines() if each]
    assert json.loads(told[-1].removeprefix("data: "))["error"]["code"] == "internal_error"
    assert "secret" not in told[-1]


def test_chats_that_nearly_fill_the_window(chat: tuple[Running, Any]) -> None:
    """Without max_tokens the answer gets what is left of the window of 256, whatever the gateway allows."""
    found, app = chat
    engine = found.gateway.engine
    assert isinstance(engine, VllmEngine)
    before = len(app.state.bodies)
    answer = found.client().chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "x" * 190}], temperature=0, extra_body={"ignore_eos": True}
    )
    assert answer.usage is not None
    assert answer.usage.total_tokens == 256
    assert len(app.state.bodies) - before == (2 if engine.table is None else 1)
    for content, options in (("x" * 300, {}), ("x" * 150, {"max_tokens": 200})):
        with pytest.raises(BadRequestError) as caught:
            found.client().chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": content}], **options
            )
        assert caught.value.code == "context_length_exceeded"


def test_a_placeholder_in_a_document_read_as_text(chat: tuple[Running, Any]) -> None:
    found, app = chat
    before = len(app.state.bodies)
    content = [{"type": "document", "text": "a <prompt_embeds> b"}, {"type": "text", "text": "Who?"}]
    with pytest.raises(BadRequestError, match="marks vectors"):
        ask(found.client(), content, extra_body={"read": "text"})
    assert len(app.state.bodies) == before


def test_logprobs_of_a_chat(chat: tuple[Running, Any]) -> None:
    found, _ = chat
    engine = found.gateway.engine
    assert isinstance(engine, VllmEngine)
    options = {"logprobs": True, "top_logprobs": 3, "max_tokens": 20, "temperature": 1, "seed": 3}
    answer = ask(found.client(), DOCUMENT, **options).choices[0]
    chunks = list(ask(found.client(), DOCUMENT, stream=True, **options))
    told = answer.logprobs.content
    assert all(len(each.top_logprobs) == 3 for each in told)
    streamed = [one for each in chunks if each.choices[0].logprobs for one in each.choices[0].logprobs.content]
    assert streamed == told
    if engine.table is not None:  # without the tokenizer there is what the server says
        assert b"".join(bytes(each.bytes) for each in told).decode(errors="replace") == answer.message.content
        assert any(
            each.token == "\ufffd" and len(each.bytes) == 1 for each in told
        )  # half a character, by its own byte


def test_vectors_that_the_decoder_cannot_hold(chat: tuple[Running, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """They are refused where the decoder's dtype is known; else the server says what it makes of them."""
    found, app = chat
    engine = found.gateway.engine
    assert isinstance(engine, VllmEngine)
    (context,) = found.gateway.reader.compressor.encode([TEXT])
    big = replace(context, vectors=torch.full_like(context.vectors, 1e6))
    options = {"extra_body": {"documents": [{"safetensors": base64.b64encode(to_bytes(big)).decode()}]}}
    before = len(app.state.bodies)
    if engine.table is None:
        ask(found.client(), "Who?", **options)
        assert len(app.state.bodies) > before
        return
    monkeypatch.setattr(engine.table, "weight", engine.table.weight.half())
    with pytest.raises(BadRequestError, match="not finite"):
        ask(found.client(), "Who?", **options)
    assert len(app.state.bodies) == before


def test_logprobs_of_completions_end_with_the_text(base: Running) -> None:
    options = {**DRAWN, "logprobs": 5, "max_tokens": 24, "seed": 7}
    whole = base.client().completions.create(**options).choices[0]
    assert whole.logprobs is not None
    place = next(i for i in range(6, len(whole.text) - 2) if whole.text.index(whole.text[i : i + 2]) == i)
    cut = base.client().completions.create(**options, stop=whole.text[place : place + 2]).choices[0]
    assert cut.text == whole.text[:place]
    assert cut.logprobs is not None
    offsets = cut.logprobs.text_offset or []
    assert offsets == sorted(offsets)
    assert offsets[-1] == place - 1
    assert cut.logprobs.tokens == (whole.logprobs.tokens or [])[: len(offsets)]
    assert all(len(each) == 5 for each in cut.logprobs.top_logprobs or [])  # none lost among halves of characters
    streamed: list[int] = []
    for chunk in base.client().completions.create(**options, stop=whole.text[place : place + 2], stream=True):
        if chunk.choices and chunk.choices[0].logprobs:
            streamed += chunk.choices[0].logprobs.text_offset or []
    assert streamed == offsets


@pytest.mark.slow
def test_many_requests_at_once(base: Running) -> None:
    """Whole and streamed, text and documents: each answer is what the same request gets alone."""
    draw = random.Random(0)
    kinds: list[dict[str, Any]] = []
    for number in range(24):
        body: dict[str, Any] = {"model": MODEL, "max_tokens": draw.randint(1, 5), "seed": number}
        body["temperature"], body["n"] = draw.choice([0, 0.8]), draw.choice([1, 1, 2])
        if number % 2:
            body["prompt"] = f"Number {number}: "
        else:
            body["messages"] = [{"role": "user", "content": f"Question {number}?"}]
            body["documents"] = [draw.choice([{"id": draw.choice(list(TEXTS))}, {"text": f"Text {number}. " * 3}])]
        kinds.append(body)

    def path(body: dict[str, Any]) -> str:
        return "/v1/completions" if "prompt" in body else "/v1/chat/completions"

    def texts(answer: dict[str, Any]) -> list[str]:
        return [each["text"] if "text" in each else each["message"]["content"] for each in answer["choices"]]

    with httpx.Client(base_url=base.url, timeout=60) as client:
        alone = [texts(client.post(path(body), json=body).json()) for body in kinds]

    async def streamed(client: httpx.AsyncClient, body: dict[str, Any]) -> list[str]:
        said = [""] * body["n"]
        async with client.stream("POST", path(body), json={**body, "stream": True}) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    for choice in json.loads(line.removeprefix("data: "))["choices"]:
                        said[choice["index"]] += choice["text"] if "text" in choice else choice["delta"]["content"]
        return said

    async def all_of_them() -> list[int]:
        waiting, wrong = [draw.randrange(len(kinds)) for _ in range(300)], []

        async def one_client() -> None:
            async with httpx.AsyncClient(base_url=base.url, timeout=60) as client:
                while waiting:
                    kind = waiting.pop()
                    if len(waiting) % 3 == 0:
                        said = await streamed(client, kinds[kind])
                    else:
                        said = texts((await client.post(path(kinds[kind]), json=kinds[kind])).json())
                    if said != alone[kind]:
                        wrong.append(kind)

        await asyncio.gather(*(one_client() for _ in range(30)))
        return wrong

    begun = time.monotonic()
    assert asyncio.run(all_of_them()) == []
    assert len({text for each in alone for text in each}) > 12
    assert time.monotonic() - begun < 60
