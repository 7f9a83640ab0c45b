"""`bench_serving`: a gateway is started in this process, asked in all ways, and ended."""

from __future__ import annotations

import json
import logging
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import uvicorn

from arc_encoder.core.atomic import write_text_atomically
from arc_encoder.core.errors import ConfigError
from arc_encoder.evaluation.reporting.tables.markdown import table
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.serving.engines.embedded.engine import TransformersEngine
from arc_encoder.inference.serving.http.app import Gateway, create_app
from arc_encoder.inference.serving.protocol.limits import Limits
from arc_encoder.inference.serving.server import gateway_of
from arc_encoder.inference.storage.store import VectorStore
from arc_encoder.tools.bench.serving.measuring import Row, ServingBench, cases_of, rows_of

HEAD = [
    "tokens", "clients", "read as", "positions", "first token, s", "tokens/s", "first token, times text", "operations imply",
    "share", "share by processor", "tokens/s, times text",
]  # fmt: skip


def bench_serving(
    compressor: Compressor,
    *,
    text: str | Path,
    documents: Sequence[int],
    clients: Sequence[int],
    factors: Sequence[int],
    answer_tokens: int = 16,
    rounds: int = 3,
    output: str | Path | None = None,
) -> list[Row]:
    """Time to the first token and tokens a second of every way, size and number of clients.

    Raises:
        ConfigError: no decoder, a list without numbers, or documents that do not fit the decoder's window.
    """
    for chatty in ("httpx", "arc_encoder.inference.serving"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    lists = {"documents": documents, "clients": clients, "factors": factors, "rounds": [rounds]}
    for name, values in lists.items():
        if not values or any(isinstance(each, bool) or not isinstance(each, int) or each < 1 for each in values):
            raise ConfigError(f"{name}={list(values)}: expected whole numbers from 1 on")
    words = Path(text).read_text(encoding="utf-8").split()
    if compressor.decoder is None:
        raise ConfigError("arc-bench serve needs the decoder; choose one with decoder=<name>")
    window = compressor.decoder.window
    if window is not None and max(documents) + answer_tokens + 64 > window:
        raise ConfigError(f"documents of {max(documents)} tokens as text do not fit the decoder's window of {window}")
    with tempfile.TemporaryDirectory() as scratch:
        store = Path(scratch) / "store"
        VectorStore.create(store, compressor.origin_of_vectors()).close()
        engine = partial(TransformersEngine, max_batch=max(clients), prefix_cache_mib=0)
        limits = Limits(max_requests=2 * max(clients), timeout=36_000, max_document_chars=10_000_000, max_body_mib=64)
        gateway = gateway_of(compressor, engine, store=store, limits=limits, cache_mib=0)
        with answering(gateway) as url:
            bench = ServingBench(url, gateway.model, compressor, words, answer_tokens=answer_tokens)
            filled = VectorStore(store)
            bench.fill(filled, documents, max(clients), factors)
            filled.close()
            rows = list(rows_of(bench, bench.run(cases_of(documents, clients, factors), rounds)))
    if output is not None:
        write_text_atomically(Path(output), json.dumps(rows, indent=1) + "\n")
    return rows


def table_of(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    return table(HEAD, [[_cell(value) for value in row.values()] for row in rows])


def _cell(value: float | int | str | None) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


@contextmanager
def answering(gateway: Gateway) -> Iterator[str]:
    """A gateway at a free port of this machine; gives its address."""
    server = uvicorn.Server(uvicorn.Config(create_app(gateway), port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise ConfigError("the gateway could not be started; see its message above")
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
