"""Gateways with a compressor of random weights, listening on a port of this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from openai import OpenAI

from arc_encoder.inference import Compressor
from arc_encoder.inference.serving.engines import TransformersEngine
from arc_encoder.inference.serving.http.app import Gateway, create_app
from arc_encoder.inference.serving.server import gateway_of
from arc_encoder.inference.storage import FloatCodec, VectorStore
from tests.inference.conftest import compressor, folder, language_model

__all__ = ["compressor", "folder", "language_model"]

MODEL = "d"
TEXTS = {
    "lighthouse": "The lighthouse keeper counts the ships of the northern fleet every evening.",
    "mill": "A mill by the river grinds the corn of three villages, and its miller is Anders.",
    "bridge": "The bridge was opened in the spring of 1890 by the Prince of Wales.",
}


class Running:
    """A gateway that answers."""

    def __init__(self, gateway: Gateway, port: int) -> None:
        self.gateway, self.url = gateway, f"http://127.0.0.1:{port}"

    def client(self, key: str = "none", **options: Any) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, **options)


@contextmanager
def running(gateway: Gateway) -> Iterator[Running]:
    gateway.engine.check()
    server = uvicorn.Server(uvicorn.Config(create_app(gateway), port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(600):
        if server.started:
            break
        assert thread.is_alive(), "the gateway did not start"
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Running(gateway, port)
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="session")
def store(compressor: Compressor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("store") / "store"
    made = VectorStore.create(place, compressor.origin_of_vectors(), FloatCodec("float32"))
    made.add(dict(zip(TEXTS, compressor.encode(list(TEXTS.values())), strict=True)), TEXTS)
    made.close()
    return place


Start = Callable[..., Any]


@pytest.fixture(scope="session")
def gateway(compressor: Compressor, store: Path) -> Iterator[Running]:
    """One with a store, and the page."""
    made = gateway_of(compressor, partial(TransformersEngine, max_batch=8), store=store, page=True)
    with running(made) as found:
        yield found


@pytest.fixture(scope="session")
def client(gateway: Running) -> OpenAI:
    return gateway.client()
