"""`serve`: encoder, engine and HTTP side in one process, until it is told to end."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import uvicorn

from arc_encoder.core.errors import ConfigError
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.serving.documents.encoder_queue import EncoderQueue
from arc_encoder.inference.serving.documents.reader import DocumentReader
from arc_encoder.inference.serving.engines.base import Engine
from arc_encoder.inference.serving.http.app import Gateway, create_app
from arc_encoder.inference.serving.http.keys import ApiKeys
from arc_encoder.inference.serving.http.logs import write_json_lines
from arc_encoder.inference.serving.protocol.errors import ApiError
from arc_encoder.inference.serving.protocol.limits import Limits
from arc_encoder.inference.storage.store import VectorStore

log = logging.getLogger(__name__)


def gateway_of(
    compressor: Compressor,
    engine: Callable[[Compressor], Engine],
    *,
    store: str | Path | None = None,
    limits: Limits | None = None,
    api_key_file: str | Path | None = None,
    model: str | None = None,
    page: bool = False,
    max_batch: int = 16,
    cache_mib: float = 256,
) -> Gateway:
    """A gateway around a compressor.

    Args:
        api_key_file: one key a line; see `ApiKeys`.
        model: the name under which the decoder is served; its own by default.

    Raises:
        CheckpointError: the store holds vectors of other models.
    """
    opened = None if store is None else VectorStore(store)
    if opened is not None:
        mine = compressor.origin_of_vectors()
        VectorStore.create(opened.folder, mine).close()  # refuses vectors of other models by name
    made = engine(compressor) if callable(engine) else engine
    if not isinstance(made, Engine):
        raise ConfigError(
            f"engine: {type(made).__name__} does not answer requests; choose TransformersEngine or VllmEngine"
        )
    chosen = limits or Limits()
    reader = DocumentReader(
        EncoderQueue(compressor, max_batch=max_batch, cache_mib=cache_mib), made.format.text, chosen, opened
    )
    keys = ApiKeys(api_key_file)
    return Gateway(made, reader, model or compressor.decoder_name, chosen, keys, page)


def serve(
    gateway: Gateway, *, host: str = "127.0.0.1", port: int = 8080, grace: int = 30, log_level: str = "info"
) -> None:
    """Answer requests until the process is told to end; those under way are finished first.

    Args:
        grace: seconds that requests under way have to finish after SIGTERM.
        log_level: debug, info, warning or error. A line a request, in JSON, without text of documents.

    Raises:
        ConfigError: a port or level that cannot be used.
    """
    if not 0 <= port <= 65535:
        raise ConfigError(f"port={port} must be between 0 and 65535")
    write_json_lines(log_level)
    try:
        gateway.engine.check()
    except ApiError as error:  # such as a vLLM server that is still loading: /ready says so
        log.warning("engine not available yet: %s", error.message)
    warnings.filterwarnings("ignore", message=".*too short to be compressed.*")  # usage says the ratio
    uvicorn.run(
        create_app(gateway),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=grace,
        server_header=False,
    )
