"""A stream of documents → a store: bounded memory, each different text once, done ones not again, bad ones named."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from arc_encoder.data.records import Document
from arc_encoder.errors import DataError
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.contexts import CompressedContext, source_digest
from arc_encoder.inference.prompts import unicode_problem
from arc_encoder.storage.store import VectorStore

BATCHES = 16  # of a block: so many are sorted by length together, encoded, and written as one shard
FAILED = "failed.jsonl"


@dataclass
class Outcome:
    """What became of a stream of documents.

    Attributes:
        compressed: documents that were encoded and written, duplicates of others included.
        done_before: documents that the store held already, same text and same factor.
        vectors: vectors that were written.
        failed: documents that could not be compressed, with the reason; they stand in the store's `failed.jsonl` too.
    """

    compressed: int = 0
    done_before: int = 0
    vectors: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


def compress_corpus(
    compressor: Compressor,
    documents: Iterable[Document],
    store: VectorStore,
    *,
    factor: float | None = None,
    batch_size: int = 32,
    keep_text: bool = False,
    stop_on_error: bool = True,
    part: tuple[int, int] = (0, 1),
) -> Outcome:
    """Compress documents into a store. Killed at any place and started again, it goes on with what is missing.

    Args:
        compressor: what encodes.
        documents: in any number; only a block of them is held at once.
        store: where they go, made for this compressor.
        factor: pooling factor instead of the trained one.
        batch_size: documents encoded at once.
        keep_text: keep the texts too.
        stop_on_error: whether a document that cannot be compressed ends the work, after those before it were written.
        part: (i, n) takes every n-th document from the i-th on: for n processes at once.

    Raises:
        DataError: a document that cannot be compressed, or an id that comes twice with different texts.
    """
    outcome = Outcome()
    wanted = compressor.pooling_factor if factor is None else factor
    ids: dict[str, str] = {}
    mine = itertools.islice(documents, part[0], None, part[1])
    for block in _blocks(mine, batch_size * BATCHES):
        sources = {}
        for document in block:
            if reason := unicode_problem(document.id):
                raise DataError(f"the document id {document.id!a} {reason}")
            sources[document.id] = source_digest(document.text)
            if ids.setdefault(document.id, sources[document.id]) != sources[document.id]:
                raise DataError(f"two documents are called {document.id!r}; give each an id of its own")
        there = store.index.find(list(sources))
        done = {
            id
            for id, entry in there.items()
            if (entry.source, entry.factor) == (sources[id], wanted) and store.holds(entry)
        }
        if keep_text:
            store.keep_texts({document.id: document.text for document in block if document.id in done})
        texts = {document.id: document.text for document in block if document.id not in done}
        problems = compressor.problems(list(texts.values()))
        bad = {id: problems[place] for place, id in enumerate(texts) if place in problems}
        good = {id: text for id, text in texts.items() if id not in bad}
        made = dict(
            zip(good, compressor.encode(list(good.values()), factor=factor, batch_size=batch_size), strict=True)
        )
        store.add(made, good if keep_text else None)
        outcome.done_before += sum(document.id in done for document in block)
        outcome.compressed += len(made)
        outcome.vectors += _different_vectors(made)
        outcome.failed += bad.items()
        _note(store.folder / FAILED, bad)
        if bad and stop_on_error:
            id, reason = next(iter(bad.items()))
            raise DataError(f"document {id!r} {reason}; leave it out, or set on_error=skip")
    return outcome


def _blocks(documents: Iterator[Document], size: int) -> Iterator[list[Document]]:
    while block := list(itertools.islice(documents, size)):
        yield block


def _different_vectors(made: dict[str, CompressedContext]) -> int:
    return sum({(context.origin.source): len(context) for context in made.values()}.values())


def _note(file: Path, failed: dict[str, str]) -> None:
    if failed:
        with file.open("a", encoding="utf-8") as opened:
            opened.writelines(json.dumps({"id": id, "reason": reason}) + "\n" for id, reason in failed.items())
