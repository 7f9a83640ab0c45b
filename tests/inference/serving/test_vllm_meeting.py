"""How a vLLM server is met: once, by all who come; which servers are refused; what of it clients are told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.inference import Compressor
from arc_encoder.inference.serving.engines import VllmEngine
from arc_encoder.inference.serving.server import gateway_of
from tests.inference.serving import stand_in
from tests.inference.serving.conftest import MODEL, Running, running
from tests.inference.serving.stand_in_gateways import base, chat_models, served, server

__all__ = ["base", "chat_models", "served"]
DRAWN: dict[str, Any] = {"model": MODEL, "prompt": "Tell: ", "temperature": 1.5, "seed": 4, "max_tokens": 12}


def test_a_server_is_met_once_by_all_who_come(base: Running, served: tuple[str, Any]) -> None:
    engine, state = base.gateway.engine, served[1].state
    assert isinstance(engine, VllmEngine)
    engine._facts, state.meetings = None, 0
    with ThreadPoolExecutor(12) as pool:
        told = list(pool.map(lambda _: base.client().completions.create(**DRAWN).choices[0].text, range(12)))
    assert len(set(told)) == 1
    assert state.meetings == 1


def test_why_a_server_cannot_be_used_stays_in_the_log(folder: Path, language_model: Path, caplog: Any) -> None:
    app = stand_in.create(str(language_model))
    with server(app) as url:
        engine = partial(VllmEngine, url=url, decoder=str(language_model))
        with running(gateway_of(Compressor.from_pretrained(folder), engine)) as found:
            assert isinstance(found.gateway.engine, VllmEngine)
            found.gateway.engine.model, found.gateway.engine._facts = "mine", None
            for answer in (httpx.get(f"{found.url}/ready"), httpx.post(f"{found.url}/v1/completions", json=DRAWN)):
                assert answer.status_code == 503
                assert url not in answer.text
                assert "log says why" in answer.text
    assert any(url in str(getattr(each, "fields", "")) for each in caplog.records)


def test_an_adapter_beside_the_model_is_refused(folder: Path, language_model: Path) -> None:
    cards = [
        {"id": "served", "max_model_len": 256, "parent": None},
        {"id": "mine", "max_model_len": 256, "parent": "served"},
    ]
    with server(stand_in.create(str(language_model), cards=cards)) as url:
        engine = VllmEngine(Compressor.from_pretrained(folder), url=url, model="served", decoder=str(language_model))
        with pytest.raises(ConfigError, match="mine is a LoRA adapter"):
            engine.check()


def test_proxies_of_the_environment_are_left_alone(
    folder: Path, language_model: Path, served: tuple[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    VllmEngine(Compressor.from_pretrained(folder), url=served[0], decoder=str(language_model)).check()


@pytest.mark.parametrize("decoder", [True, False])
def test_chats_are_tested_before_anybody_is_served(
    chat_models: tuple[Path, Path], decoder: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that reads whole prompts right and parts of chats wrong, or takes none, is found out."""
    folder, compressor = chat_models
    with server(stand_in.create(str(folder), enabled=False)) as url:
        engine = VllmEngine(Compressor.from_pretrained(compressor), url=url, decoder=str(folder) if decoder else None)
        with pytest.raises(ConfigError, match="--enable-prompt-embeds"):
            engine.check()
    if not decoder:
        return
    app = stand_in.create(str(folder))
    chat = stand_in.Decoder.chat
    with server(app) as url:
        engine = VllmEngine(Compressor.from_pretrained(compressor), url=url, decoder=str(folder))
        engine.check()
        assert any("messages" in body for body in app.state.bodies)

        def wrong(self: Any, messages: Any) -> Any:
            found = chat(self, messages)
            embeds = any(part["type"] == "prompt_embeds" for each in messages for part in each["content"])
            return found.flip(0) if embeds else found

        monkeypatch.setattr(stand_in.Decoder, "chat", wrong)
        with pytest.raises(ConfigError, match="chat/completions"):
            engine.check()
