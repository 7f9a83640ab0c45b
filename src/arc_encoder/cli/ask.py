"""`arc-ask`: one question about one document, answered from the text, from vectors, from less text, and from nothing.

Run command: ``arc-ask checkpoint=<run>/compressor decoder=toy_a document=my.txt question='Who wrote it?'``
"""

from __future__ import annotations

from pathlib import Path

import torch
from omegaconf import DictConfig

from arc_encoder.cli.app import choose_device, run_app
from arc_encoder.cli.evaluate import open_session
from arc_encoder.cli.train import build_decoders
from arc_encoder.errors import ConfigError, DataError
from arc_encoder.evaluation.asking import Reading, read_and_answer
from arc_encoder.reporting.markdown import table
from arc_encoder.training.callbacks.mixed_precision import COMPUTE

KEYS = {
    "checkpoint",
    "encoder_tokenizer",
    "imports",
    "decoders",
    "document",
    "question",
    "factors",
    "max_new_tokens",
    "precision",
    "threads",
    "device",
    "paths",
}


def ask(config: DictConfig) -> list[Reading]:
    """Answer as `config` says, and print the table.

    Raises:
        ConfigError: something is missing, or several decoders were given.
        DataError: a document that cannot be read.
    """
    for name in ("checkpoint", "document", "question"):
        if config[name] is None:
            raise ConfigError(
                f"{name} is missing: arc-ask checkpoint=<run>/compressor document=<file> question='<your question>'"
            )
    if config.precision not in COMPUTE:
        raise ConfigError(f"precision={config.precision!r} is unknown; choose one of {', '.join(COMPUTE)}")
    if len(config.get("decoders") or {}) > 1:
        raise ConfigError(f"arc-ask asks one decoder; {', '.join(map(str, config.decoders))} were given")
    if config.threads:
        torch.set_num_threads(config.threads)
    document = read_document(Path(config.document))
    decoders = build_decoders(config.get("decoders") or {})
    (name,) = decoders
    session = open_session(
        decoders,
        name,
        config.checkpoint,
        batch_size=1,
        device=choose_device(config.device),
        encoder_tokenizer=config.encoder_tokenizer,
        precision=config.precision,
        progress=False,
    )
    readings = read_and_answer(
        session, document, config.question, factors=list(config.factors), max_new_tokens=config.max_new_tokens
    )
    print(f"{config.document}: {config.question}\n\n{answers_table(readings)}")
    return readings


def read_document(path: Path) -> str:
    """The text of a file.

    Raises:
        DataError: no such file, or one that is not UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the document {path} cannot be read as UTF-8 text: {error}") from error


def answers_table(readings: list[Reading]) -> str:
    """A line for each way of reading."""
    rows = [
        [
            each.way,
            str(each.positions),
            str(each.stored_bytes),
            "" if each.first_token_ms is None else f"{each.first_token_ms:.0f}",
            "(longer than the decoder's window)" if each.answer is None else " ".join(each.answer.split()),
        ]
        for each in readings
    ]
    return table(["the decoder reads", "positions", "bytes", "first token (ms)", "answer"], rows)


def main() -> None:
    """Console entry point."""
    run_app("ask", lambda config: ask(config) and None, keys=KEYS)


if __name__ == "__main__":
    main()
