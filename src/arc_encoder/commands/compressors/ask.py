"""`arc-ask`: one question about one document, answered from the text, from vectors, from less text, and from nothing.

Run command: ``arc-ask checkpoint=<run>/compressor decoder=toy_a document=my.txt question='Who wrote it?'``, or
``arc-ask … store=<folder> question='Who wrote it?'``: the best documents of a store are found and answered from.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import shorten

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.decoders import build_decoders
from arc_encoder.core.compute.device import choose_device
from arc_encoder.core.compute.precision import compute_dtype
from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.evaluation.reporting.tables.markdown import table
from arc_encoder.evaluation.runs.asking import Reading, read_and_answer
from arc_encoder.evaluation.session.opening import open_session
from arc_encoder.inference import Compressor
from arc_encoder.inference.storage import VectorStore
from arc_encoder.inference.storage.retrieval import StoreSearch, answer_from

KEYS = {
    "checkpoint",
    "encoder_tokenizer",
    "backbone",
    "imports",
    "decoders",
    "document",
    "store",
    "retriever",
    "fallback",
    "top",
    "question",
    "factors",
    "max_new_tokens",
    "precision",
    "threads",
    "device",
    "paths",
}


def ask(config: DictConfig) -> list[Reading]:
    """Answer as `config` says, from a document or from a store, and print what was answered.

    Raises:
        ConfigError: something is missing, or several decoders were given.
        DataError: a document that cannot be read.
    """
    if config.document is not None and config.store is not None:
        raise ConfigError("document and store were both given; choose where the answer comes from")
    for name in ("checkpoint", "document" if config.store is None else "store", "question"):
        if config[name] is None:
            raise ConfigError(
                f"{name} is missing: arc-ask checkpoint=<run>/compressor document=<file> question='<your question>', "
                "or store=<folder> instead of the document"
            )
    compute_dtype(config.precision)
    if len(config.get("decoders") or {}) > 1:
        raise ConfigError(f"arc-ask asks one decoder; {', '.join(map(str, config.decoders))} were given")
    if config.threads:
        torch.set_num_threads(config.threads)
    if config.store is None and config.get("fallback") is not None:
        raise ConfigError(
            "fallback chooses how documents of a store are read; with document= each way is shown beside the others"
        )
    if config.store is not None:
        print(ask_store(config))
        return []
    document = read_document(Path(config.document))
    decoders = build_decoders(config.get("decoders") or {})
    (name,) = decoders
    session = open_session(
        decoders[name],
        name,
        config.checkpoint,
        batch_size=1,
        device=choose_device(config.device),
        encoder_tokenizer=config.encoder_tokenizer,
        backbone=config.backbone,
        precision=config.precision,
        progress=False,
    )
    readings = read_and_answer(
        session, document, config.question, factors=list(config.factors), max_new_tokens=config.max_new_tokens
    )
    print(f"{config.document}: {config.question}\n\n{answers_table(readings)}")
    return readings


def ask_store(config: DictConfig) -> str:
    """An answer from the best documents of a store, and which these are.

    Raises:
        DataError: no document has anything in common with the question.
    """
    (found_decoder,) = build_decoders(config.get("decoders") or {}).items()
    compressor = Compressor.from_pretrained(
        config.checkpoint,
        decoder=found_decoder[1],
        decoder_name=found_decoder[0],
        device=choose_device(config.device),
        tokenizer=config.encoder_tokenizer,
        backbone=config.backbone,
    )
    search = StoreSearch(VectorStore(config.store), instantiate(config.retriever))
    found = search.search(str(config.question), config.top)
    if not found:
        raise DataError(f"no document of {config.store} has a word in common with {config.question!r}")
    fallback = None if config.get("fallback") is None else instantiate(config.fallback)
    answer = answer_from(
        compressor, found, str(config.question), max_new_tokens=config.max_new_tokens, fallback=fallback
    )
    sources = [
        f"[{number}] {each.id} ({len(each.context)} positions): {shorten(each.text, 160, placeholder='…')}"
        for number, each in enumerate(found, start=1)
    ]
    return "\n".join([f"{config.question}\n{answer}\n", *sources])


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
