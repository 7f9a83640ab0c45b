"""`serve`: encoder, engine and HTTP side in one process, until it is told to end."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn

from arc_encoder.core.errors import ConfigError
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.serving.documents.encoder_queue import EncoderQueue
from arc_encoder.inference.serving.documents.reader import DocumentReader
from arc_encoder.inference.serving.engines.base import Engine
from arc_encoder.inference.serving.http.app import Gateway, create_app
from arc_encoder.inference.serving.http.guard import ApiKeys
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


NAME = "arc_encoder.inference.serving"
LEVELS = ("debug", "info", "warning", "error")


class JsonLines(logging.Formatter):
    """A record as a JSON object: time, level, what happened, and its `fields`; never text of a document or an answer."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return json.dumps(line)


def write_json_lines(level: str) -> None:
    """Let the gateway's own log go to standard error as JSON.

    Raises:
        ConfigError: another word.
    """
    if level not in LEVELS:
        raise ConfigError(f"log_level={level!r} is unknown; choose one of {', '.join(LEVELS)}")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger(NAME)
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(level.upper())
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would tell of every request to an engine
