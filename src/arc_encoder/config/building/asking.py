"""A question about a document or a store, from a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

from hydra.utils import instantiate
from omegaconf import DictConfig

from arc_encoder.config.building.compressors import build_decoders, load_compressor
from arc_encoder.config.building.evaluation import session_options
from arc_encoder.config.building.settings import need, one_decoder, set_up_process
from arc_encoder.core.compute import compute_dtype
from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.evaluation.runs.asking import Reading, read_and_answer
from arc_encoder.evaluation.session.session import open_session
from arc_encoder.inference.storage import VectorStore
from arc_encoder.inference.storage.retrieval import Found, ask_store

USAGE = (
    "arc-ask checkpoint=<run>/compressor document=<file> question='<your question>', "
    "or store=<folder> instead of the document"
)


def check_question(config: DictConfig) -> None:
    """Refuse what cannot be asked.

    Raises:
        ConfigError: something is missing, or two things were given that exclude each other.
    """
    if config.document is not None and config.store is not None:
        raise ConfigError("document and store were both given; choose where the answer comes from")
    need(config, "checkpoint", "document" if config.store is None else "store", "question", usage=USAGE)
    compute_dtype(config.precision)
    one_decoder(config)
    if config.store is None and config.get("fallback") is not None:
        raise ConfigError(
            "fallback chooses how documents of a store are read; with document= each way is shown beside the others"
        )


def ask_document(config: DictConfig) -> list[Reading]:
    """Answers from one document, read in every way; see `read_and_answer`."""
    set_up_process(config)
    name, document = one_decoder(config), read_document(Path(config.document))
    decoder = build_decoders(config.decoders)[name]
    session = open_session(decoder, name, config.checkpoint, **session_options(config, batch_size=1, progress=False))
    settings = {"factors": list(config.factors), "max_new_tokens": config.max_new_tokens}
    return read_and_answer(session, document, config.question, **settings)


def ask_documents(config: DictConfig) -> str:
    """An answer from the best documents of a store, and which these are; see `ask_store`."""
    set_up_process(config)
    answer, found = ask_store(
        load_compressor(config),
        VectorStore(config.store),
        instantiate(config.retriever),
        str(config.question),
        top=config.top,
        max_new_tokens=config.max_new_tokens,
        fallback=None if config.get("fallback") is None else instantiate(config.fallback),
    )
    return "\n".join([f"{config.question}\n{answer}\n", *_sources(found)])


def _sources(found: Sequence[Found]) -> list[str]:
    return [
        f"[{number}] {each.id} ({len(each.context)} positions): {shorten(each.text, 160, placeholder='…')}"
        for number, each in enumerate(found, start=1)
    ]


def read_document(path: Path) -> str:
    """The text of a file.

    Raises:
        DataError: no such file, or one that is not UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the document {path} cannot be read as UTF-8 text: {error}") from error
