"""A stream of documents → a store: bounded memory, each different text once, done ones not again, bad ones named."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from arc_encoder.core.errors import DataError
from arc_encoder.data.records import Document
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.encoding.contexts import source_digest
from arc_encoder.inference.generation.prompts import unicode_problem
from arc_encoder.inference.storage.store import VectorStore

BATCHES = 16  # of a block: so many are sorted by length together, encoded, and written as one shard
FAILED = "failed.jsonl"


@dataclass
class Outcome:
    """What became of a stream of documents.

    Attributes:
        failed: documents that could not be compressed, with the reason; they are listed in the store's `failed.jsonl` too.
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
    fidelity: bool = False,
    stop_on_error: bool = True,
    part: tuple[int, int] = (0, 1),
) -> Outcome:
    """Compress documents into a store. Killed at any place and started again, it continues with what is missing.

    Args:
        documents: in any number; only a block of them is held at once.
        fidelity: measure how much of each document the decoder reads back from the vectors, and keep that too.
        stop_on_error: whether a document that cannot be compressed ends the work, after those before it were written.

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
            if (entry.source, entry.factor) == (sources[id], wanted)
            and store.holds(entry)
            and (entry.fidelity is not None or not fidelity)
        }
        if keep_text:
            store.keep_texts({document.id: document.text for document in block if document.id in done})
        texts = {document.id: document.text for document in block if document.id not in done}
        problems = compressor.problems(list(texts.values()))
        bad = {id: problems[place] for place, id in enumerate(texts) if place in problems}
        good = {id: text for id, text in texts.items() if id not in bad}
        made = {id: same for id in good if (same := store.of_source(sources[id], wanted, measured=fidelity))}
        new = {id: text for id, text in good.items() if id not in made}
        contexts = compressor.encode(list(new.values()), factor=factor, batch_size=batch_size)
        if fidelity:
            contexts = compressor.with_fidelity(contexts, list(new.values()), batch_size=batch_size)
        made.update(zip(new, contexts, strict=True))
        store.add(made, good if keep_text else None)
        outcome.done_before += sum(document.id in done for document in block)
        outcome.compressed += len(made)
        outcome.vectors += sum({(c.origin.source): len(c) for c in contexts}.values())
        outcome.failed += bad.items()
        note_failed(store, bad)
        if bad and stop_on_error:
            id, reason = next(iter(bad.items()))
            raise DataError(f"document {id!r} {reason}; leave it out, or let such be skipped", advice="skip")
    return outcome


def _blocks(documents: Iterator[Document], size: int) -> Iterator[list[Document]]:
    while block := list(itertools.islice(documents, size)):
        yield block


def note_failed(store: VectorStore, failed: dict[str, str]) -> None:
    """Add documents that could not be compressed, with the reason, to the store's `failed.jsonl`."""
    if failed:
        with (store.folder / FAILED).open("a", encoding="utf-8") as opened:
            opened.writelines(json.dumps({"id": id, "reason": reason}) + "\n" for id, reason in failed.items())
