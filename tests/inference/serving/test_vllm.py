"""engine=vllm against a server that reads prompt embeddings as vLLM documents it; vLLM itself does not run here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from openai import APIStatusError, BadRequestError

from arc_encoder.core.errors import ConfigError
from arc_encoder.inference import Compressor, Context
from arc_encoder.inference.serving.engines import VllmEngine
from arc_encoder.inference.serving.protocol.errors import ApiError
from arc_encoder.inference.serving.server import gateway_of
from arc_encoder.inference.serving.vllm import EmbeddingTable
from arc_encoder.model.decoder.load import load_decoder
from tests.inference.serving import stand_in
from tests.inference.serving.conftest import MODEL, TEXTS, Running, running
from tests.inference.serving.stand_in_gateways import Process, ask, base, chat_models, served, server
from tests.tiny_decoders import tiny_causal
from tests.tiny_models import tiny_language_model, tiny_tokenizer

__all__ = ["base", "chat_models", "served"]
TEXT = TEXTS["bridge"]


def test_answers_are_the_decoders_own(base: Running, compressor: Compressor) -> None:
    client = base.client()
    for document in ({"text": TEXT}, {"id": "bridge"}):
        answer = ask(client, [{"type": "document", **document}, {"type": "text", "text": "Who opened it?"}])
        assert answer.choices[0].message.content == compressor.ask(TEXT, ["Who opened it?"], max_new_tokens=8)[0]
        assert answer.usage.model_dump()["vectors"] == len(compressor.encode([TEXT])[0])
    prompt = [
        {"type": "text", "text": "About "},
        {"type": "document", "text": TEXT},
        {"type": "text", "text": " more: "},
    ]
    completion = client.completions.create(model=MODEL, prompt=prompt, temperature=0, max_tokens=9)  # type: ignore[arg-type]
    assert (
        completion.choices[0].text == compressor.generate([["About ", Context(TEXT), " more: "]], max_new_tokens=9)[0]
    )


def test_streams_and_several_answers(base: Running) -> None:
    options: dict[str, Any] = {
        "model": MODEL,
        "prompt": "Tell: ",
        "temperature": 0.9,
        "seed": 4,
        "n": 2,
        "max_tokens": 6,
    }
    whole = base.client().completions.create(**options)
    said = ["", ""]
    for chunk in base.client().completions.create(stream=True, **options):
        for choice in chunk.choices:
            said[choice.index] += choice.text
    assert said == [each.text for each in whole.choices]


def test_penalties_never_reach_the_server(base: Running) -> None:
    with pytest.raises(BadRequestError, match="penalties"):
        ask(base.client(), "Who?", frequency_penalty=1)
    assert ask(base.client(), "Who?").choices  # it still runs


def test_the_servers_window(base: Running) -> None:
    with pytest.raises(BadRequestError) as caught:
        base.client().completions.create(model=MODEL, prompt="x" * 250, max_tokens=9)
    assert caught.value.code == "context_length_exceeded"


def test_what_needs_the_decoder_here_says_so(folder: Path, language_model: Path, served: tuple[str, Any]) -> None:
    made = gateway_of(
        Compressor.from_pretrained(folder), partial(VllmEngine, url=served[0], decoder=str(language_model)), page=True
    )
    with running(made) as found:
        answer = httpx.post(f"{found.url}/inspect", json={"text": "x"})
    assert answer.json()["error"]["code"] == "no_decoder"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"version": "0.32.9"}, "0.32.9"),
        ({"version": "dev"}, "'dev'"),
        ({"cards": [{"id": "served", "max_model_len": 256, "parent": "base"}]}, "LoRA"),
        ({"enabled": False}, "--enable-prompt-embeds"),
    ],
)
def test_servers_that_cannot_be_used(folder: Path, language_model: Path, options: dict[str, Any], told: str) -> None:
    with server(stand_in.create(str(language_model), **options)) as url:
        engine = VllmEngine(Compressor.from_pretrained(folder), url=url, decoder=str(language_model))
        with pytest.raises(ConfigError, match=told):
            engine.check()


def test_a_server_of_another_decoder_is_found_out(folder: Path, served: tuple[str, Any], tmp_path: Path) -> None:
    other = tmp_path / "other"
    tiny_language_model(seed=99).save_pretrained(other)
    tiny_tokenizer().save_pretrained(other)
    engine = VllmEngine(Compressor.from_pretrained(folder), url=served[0], decoder=str(other))
    with pytest.raises(ConfigError, match="another model"):
        engine.check()
    with pytest.raises(ConfigError, match=r"not engine\.model=mine"):
        VllmEngine(Compressor.from_pretrained(folder), url=served[0], model="mine", prompts="chat").check()


def test_settings_that_cannot_work(folder: Path) -> None:
    with pytest.raises(ConfigError, match="as `decoder`"):
        VllmEngine(Compressor.from_pretrained(folder), url="http://localhost:1")
    with pytest.raises(ConfigError, match="chat or embeddings"):
        VllmEngine(Compressor.from_pretrained(folder), url="http://localhost:1", prompts="text")  # type: ignore[arg-type]
    with pytest.raises(ApiError, match="does not answer"):
        VllmEngine(Compressor.from_pretrained(folder), url="http://127.0.0.1:9", prompts="chat").check()


def test_rows_of_the_embedding_matrix(language_model: Path) -> None:
    decoder = load_decoder(language_model)
    table = EmbeddingTable(language_model)
    ids = [3, 99, 3]
    assert torch.equal(table.rows(ids), decoder.embed(torch.tensor([ids]))[0])
    assert table.width == decoder.width


@pytest.mark.parametrize("family", ["gemma3", "gemma", "olmo2"])
def test_scaled_embeddings(family: str, tmp_path: Path) -> None:
    model = tiny_causal(family)
    model.save_pretrained(tmp_path)
    ids = [5, 6]
    expected = model.get_input_embeddings()(torch.tensor(ids))  # type: ignore[operator]
    torch.testing.assert_close(EmbeddingTable(tmp_path).rows(ids), expected)


def until(what: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_server_is_told_and_recovers(folder: Path, language_model: Path) -> None:
    process = Process(language_model, STAND_IN_STEP="0.05")
    try:
        compressor = Compressor.from_pretrained(folder)
        made = gateway_of(compressor, partial(VllmEngine, url=process.url, decoder=str(language_model)))
        with running(made) as found:
            client = found.client()
            good = ask(client, "Who?").choices[0].message.content
            stream = client.completions.create(model=MODEL, prompt="abc", max_tokens=100, temperature=0, stream=True)
            next(iter(stream))
            process.kill()
            with pytest.raises(Exception, match=r"does not answer|broke off"):
                list(stream)
            with pytest.raises(APIStatusError) as caught:
                ask(client, "Who?")
            assert caught.value.status_code == 503
            assert httpx.get(f"{found.url}/ready").status_code == 503
            process.start()
            until(lambda: httpx.get(f"{found.url}/ready").status_code == 200)
            assert ask(client, "Who?").choices[0].message.content == good
    finally:
        process.kill()


def test_chats_are_sent_as_parts(chat_models: tuple[Path, Path]) -> None:
    decoder, folder = chat_models
    app = stand_in.create(str(decoder))
    with server(app) as url:
        made = gateway_of(Compressor.from_pretrained(folder), partial(VllmEngine, url=url))
        with running(made) as found:
            content = [
                {"type": "text", "text": "Read"},
                {"type": "document", "text": TEXT},
                {"type": "text", "text": "Who?"},
            ]
            answer = ask(found.client(), content)
            with pytest.raises(BadRequestError, match="prompt_embeds"):
                ask(found.client(), "a <prompt_embeds> in the text")
            with pytest.raises(BadRequestError, match="chat/completions"):
                found.client().completions.create(model=MODEL, prompt="x")
        body = app.state.bodies[-1]
        kinds = [part["type"] for part in body["messages"][0]["content"]]
        assert kinds == ["text", "prompt_embeds", "text"]
        assert body["cache_salt"]
    compressor = Compressor.from_pretrained(folder, decoder=decoder)
    expected = compressor.generate([["Read\n", Context(TEXT), "\nWho?"]], max_new_tokens=8)[0]
    assert answer.choices[0].message.content == expected
    assert answer.usage.model_dump()["vectors"] == len(compressor.encode([TEXT])[0])


def test_a_client_that_leaves_stops_the_server(base: Running, served: tuple[str, Any]) -> None:
    app = served[1]
    os.environ["STAND_IN_STEP"] = "0.02"
    try:
        stream = base.client().completions.create(model=MODEL, prompt="abc", max_tokens=200, temperature=0, stream=True)
        next(iter(stream))
        stream.close()
        time.sleep(0.5)
        steps = app.state.steps
        time.sleep(0.3)
        assert app.state.steps == steps
        assert steps < 200
    finally:
        del os.environ["STAND_IN_STEP"]
