"""The gateway's log: one JSON object a line, and never text of a document or an answer."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from arc_encoder.core.errors import ConfigError

NAME = "arc_encoder.inference.serving"
LEVELS = ("debug", "info", "warning", "error")


class JsonLines(logging.Formatter):
    """A record as a JSON object: time, level, what happened, and the record's `fields`."""

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
