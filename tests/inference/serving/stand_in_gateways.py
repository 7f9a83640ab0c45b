"""Gateways in front of the stand-in for vLLM."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
import uvicorn
from openai import OpenAI

from arc_encoder.inference import Compressor
from arc_encoder.inference.serving.engines import VllmEngine
from arc_encoder.inference.serving.server import gateway_of
from arc_encoder.model.assembly.build import build_arc_model
from arc_encoder.model.decoder.load import load_decoder
from arc_encoder.model.encoder.backbone import Backbone
from arc_encoder.model.encoder.pooling import MeanPooling
from arc_encoder.model.heads.projectors import MLPProjector
from tests.inference.serving import stand_in
from tests.inference.serving.conftest import MODEL, Running, running
from tests.tiny_chat import CHATML, chat_tokenizer
from tests.tiny_models import tiny_language_model


@contextmanager
def server(app: Any) -> Iterator[str]:
    made = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    while not made.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{made.servers[0].sockets[0].getsockname()[1]}"
    finally:
        made.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def served(language_model: Path) -> Iterator[tuple[str, Any]]:
    app = stand_in.create(str(language_model))
    with server(app) as url:
        yield url, app


@pytest.fixture(scope="module")
def base(folder: Path, language_model: Path, served: tuple[str, Any], store: Path) -> Iterator[Running]:
    """Whole prompts as embeddings; the gateway has no decoder."""
    compressor = Compressor.from_pretrained(folder)
    assert compressor.decoder is None
    with running(
        gateway_of(compressor, partial(VllmEngine, url=served[0], decoder=str(language_model)), store=store)
    ) as found:
        yield found


def ask(client: OpenAI, content: Any, **options: Any) -> Any:
    options = {"model": MODEL, "temperature": 0, "max_tokens": 8, **options}
    return client.chat.completions.create(messages=[{"role": "user", "content": content}], **options)


@pytest.fixture(scope="module")
def chat_models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A chat decoder, and a compressor that was trained in front of it."""
    place = tmp_path_factory.mktemp("chat")
    tiny_language_model(seed=5).save_pretrained(place / "decoder")
    chat_tokenizer(CHATML).save_pretrained(place / "decoder")
    torch.manual_seed(2)
    decoder = load_decoder(place / "decoder", chat=True, bos=False)
    model, tokenizer = build_arc_model(Backbone(str(place / "decoder")), MeanPooling(4), MLPProjector, {"d": decoder})
    Compressor(model.compressor, tokenizer).save_pretrained(place / "compressor")
    return place / "decoder", place / "compressor"


class Process:
    """The stand-in as a process, which can be killed."""

    def __init__(self, folder: Path, **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder, self.environment = folder, {**os.environ, **environment}
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        words = [sys.executable, "-m", "tests.inference.serving.stand_in", str(self.folder), str(self.port)]
        root = Path(__file__).parents[3]
        self.process = subprocess.Popen(words, cwd=root, env=self.environment)
        for _ in range(600):
            try:
                httpx.get(f"{self.url}/health")
                return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError("the stand-in did not start")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
