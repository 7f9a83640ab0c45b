"""A stream of documents into a store: done ones not again, duplicates once, bad ones named, killed at any place."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from arc_encoder.core.errors import DataError
from arc_encoder.data.records import Document
from arc_encoder.inference import Compressor
from arc_encoder.inference.storage import FloatCodec, VectorStore
from arc_encoder.inference.storage.corpus.corpus import Outcome, compress_corpus
from tests.tiny_runs import environment


def documents(count: int) -> list[Document]:
    return [Document(f"d{i}", f"document number {i} " + "x" * (i % 17)) for i in range(count)]


@pytest.fixture
def store(tmp_path: Path, compressor: Compressor) -> VectorStore:
    return VectorStore.create(tmp_path / "store", compressor.origin_of_vectors(), FloatCodec("float32"))


def same(store: VectorStore, compressor: Compressor, wanted: list[Document]) -> bool:
    found = store.get([each.id for each in wanted])
    expected = compressor.encode([each.text for each in wanted])
    return all(
        a.origin == b.origin and torch.allclose(a.vectors, b.vectors, atol=1e-5)
        for a, b in zip(found, expected, strict=True)
    )


def test_a_corpus_is_compressed_once(compressor: Compressor, store: VectorStore) -> None:
    wanted = documents(50)
    first = compress_corpus(compressor, wanted, store, batch_size=2)
    assert (first.compressed, first.done_before, first.failed) == (50, 0, [])
    assert first.vectors == sum(len(store[each.id]) for each in wanted)
    assert same(store, compressor, wanted)
    changed = [*wanted[:10], Document("d10", "another text"), Document("new", "new"), *wanted[11:]]
    second = compress_corpus(compressor, changed, store, batch_size=2)
    assert (second.compressed, second.done_before) == (2, 49)
    assert same(store, compressor, changed)
    third = compress_corpus(compressor, changed, store, batch_size=2, factor=2)
    assert third.compressed == 51
    assert store["new"].origin.factor == 2


def test_texts_are_kept_of_what_was_compressed_before(compressor: Compressor, store: VectorStore) -> None:
    compress_corpus(compressor, documents(3), store)
    outcome = compress_corpus(compressor, documents(3), store, keep_text=True)
    assert (outcome.compressed, outcome.done_before) == (0, 3)
    assert store.text("d1") == documents(3)[1].text


def test_what_was_lost_is_compressed_again(compressor: Compressor, store: VectorStore) -> None:
    compress_corpus(compressor, documents(3), store)
    for file in (store.folder / "shards").iterdir():
        file.unlink()
    opened = VectorStore(store.folder)
    assert compress_corpus(compressor, documents(3), opened).compressed == 3
    assert VectorStore(store.folder).verify() == []


def test_an_id_that_is_no_unicode_is_named(compressor: Compressor, store: VectorStore) -> None:
    with pytest.raises(DataError, match=r"the document id .* is not valid Unicode"):
        compress_corpus(compressor, [Document("a\ud800", "text")], store)


def test_a_stream_is_read_block_by_block(compressor: Compressor, store: VectorStore) -> None:
    ahead: list[int] = []

    def endless() -> Iterator[Document]:
        for number in itertools.count():
            ahead.append(number - len(store))
            if number == 200:
                return
            yield Document(str(number), f"text {number}")

    compress_corpus(compressor, endless(), store, batch_size=2)
    assert max(ahead) <= 32


def test_duplicates_are_encoded_once(
    compressor: Compressor, store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    forward = compressor.model.forward
    monkeypatch.setattr(compressor.model, "forward", lambda ids, *rest: seen.append(len(ids)) or forward(ids, *rest))
    outcome = compress_corpus(compressor, [Document(str(i), "the same") for i in range(40)], store, batch_size=4)
    assert outcome.compressed == 40
    assert sum(seen) == 1
    assert outcome.vectors == len(store["0"])


def test_a_bad_document_does_not_cost_the_others(compressor: Compressor, store: VectorStore) -> None:
    limit = compressor.model.chunking.size * compressor.model.chunking.max_chunks
    wanted = documents(5)
    bad = [Document("long", "x" * (limit + 1)), Document("broken", "a\ud800")]
    outcome = compress_corpus(compressor, [*wanted[:3], *bad, *wanted[3:]], store, batch_size=2, stop_on_error=False)
    assert outcome.compressed == 5
    assert [id for id, _ in outcome.failed] == ["long", "broken"]
    assert f"has {limit + 1} tokens, but at most" in dict(outcome.failed)["long"]
    noted = [json.loads(line) for line in (store.folder / "failed.jsonl").read_text().splitlines()]
    assert [(each["id"], each["reason"]) for each in noted] == outcome.failed
    assert same(store, compressor, wanted)


def test_a_bad_document_stops_after_those_before_it(compressor: Compressor, store: VectorStore) -> None:
    with pytest.raises(DataError, match=r"document 'broken' is not valid Unicode.*let such be skipped"):
        compress_corpus(compressor, [*documents(3), Document("broken", "\ud800")], store)
    assert same(store, compressor, documents(3))


def test_two_documents_of_one_name_are_refused(compressor: Compressor, store: VectorStore) -> None:
    with pytest.raises(DataError, match="two documents are called 'a'"):
        compress_corpus(compressor, [Document("a", "one"), Document("a", "two")], store)


def test_several_processes_share_the_work(compressor: Compressor, store: VectorStore) -> None:
    wanted = documents(21)
    parts: list[Outcome] = [
        compress_corpus(compressor, wanted, VectorStore(store.folder), batch_size=2, part=(i, 3)) for i in range(3)
    ]
    assert [part.compressed for part in parts] == [7, 7, 7]
    assert same(store, compressor, wanted)


SCRIPT = """
import sys
from arc_encoder.data.records import Document
from arc_encoder.inference import Compressor
from arc_encoder.inference.storage import VectorStore
from arc_encoder.inference.storage.corpus.corpus import compress_corpus
compressor = Compressor.from_pretrained(sys.argv[1])
store = VectorStore(sys.argv[2])
print("ready", flush=True)
documents = [Document(f"d{i}", f"document number {i} " + "x" * (i % 17)) for i in range(3000)]
print(compress_corpus(compressor, documents, store, batch_size=1).done_before, flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_is_whole_and_goes_on(compressor: Compressor, store: VectorStore, folder: Path) -> None:
    """Twenty kills at growing distances; after each the store is sound, and what was there stays."""
    before = 0
    for number in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(folder), str(store.folder)], stdout=subprocess.PIPE, env=environment()
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.02 + 0.013 * number)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        opened = VectorStore(store.folder)
        assert opened.verify() == []
        assert len(opened) >= before
        before = len(opened)
        opened.close()
    assert 0 < before < 3000
    assert same(store, compressor, documents(before))
    outcome = compress_corpus(compressor, documents(before + 5), store, batch_size=8)
    assert (outcome.done_before, outcome.compressed) == (before, 5)
