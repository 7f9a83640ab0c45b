"""How much of the encoder's bare speed is left when documents are compressed into a store, and how much memory it takes.

Run command: ``python -m tools.measure.compress --checkpoint <run>/compressor --documents 100000``

Bare speed is that of the model alone on the same documents, tokenized and sorted by length before. Documents are drawn
from the compressor's own vocabulary, in lengths between a quarter of `--tokens` and all of it.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from arc_encoder.core.batch import pad_rows
from arc_encoder.core.compute import peak_memory_gib
from arc_encoder.core.segments import TaskToken
from arc_encoder.data.batching.tokens import token_ids
from arc_encoder.data.records import Document
from arc_encoder.inference import Compressor
from arc_encoder.inference.storage import FloatCodec, VectorStore
from arc_encoder.inference.storage.corpus.corpus import compress_corpus


def main() -> None:
    """Console entry point: a Markdown table."""
    parser = argparse.ArgumentParser(description="Speed and memory of compressing a corpus into a store.")
    parser.add_argument("--checkpoint", required=True, help="folder of a trained compressor")
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--bare", type=int, default=2000, help="documents that bare speed is measured on")
    parser.add_argument("--tokens", type=int, default=128, help="most tokens of a document")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    compressor = Compressor.from_pretrained(arguments.checkpoint, dtype=arguments.dtype)
    sample = [each.text for each in drawn(compressor, arguments.bare, arguments.tokens)]
    speeds = [bare_speed(compressor, sample, arguments.batch_size)]
    with tempfile.TemporaryDirectory() as scratch:
        store = VectorStore.create(Path(scratch) / "store", compressor.origin_of_vectors(), FloatCodec())
        begun = time.perf_counter()
        documents = drawn(compressor, arguments.documents, arguments.tokens)
        outcome = compress_corpus(compressor, documents, store, batch_size=arguments.batch_size)
        took = time.perf_counter() - begun
        tokens = sum(entry.tokens for entry in store.index.entries())
        size = sum(file.stat().st_size for file in store.folder.rglob("*") if file.is_file())
    speeds.append(bare_speed(compressor, sample, arguments.batch_size))
    bare = sum(speeds) / 2  # before and after: the machine may have changed its mind
    print(
        "| documents | tokens | documents/s | tokens/s | bare encoder, tokens/s | ratio | store, MB | peak memory, MB |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    print(
        f"| {outcome.compressed:,} | {tokens:,} | {outcome.compressed / took:,.0f} | {tokens / took:,.0f} | {bare:,.0f} | "
        f"{tokens / took / bare:.2f} | {size / 1e6:,.0f} | {peak_memory_gib(torch.device('cpu')) * 2**30 / 1e6:,.0f} |"
    )


def drawn(compressor: Compressor, count: int, tokens: int) -> Iterator[Document]:
    """Documents of random words of the compressor's vocabulary."""
    words = random.Random(0)
    ids = [i for i in range(len(compressor.tokenizer)) if i not in set(compressor.tokenizer.all_special_ids)]
    for number in range(count):
        row = words.choices(ids, k=words.randint(tokens // 4, tokens))
        yield Document(f"d{number}", str(compressor.tokenizer.decode(row)) or "x")


@torch.no_grad()
def bare_speed(compressor: Compressor, texts: list[str], batch_size: int) -> float:
    """Tokens a second of the model alone."""
    rows = sorted(token_ids(texts, compressor.tokenizer), key=len)
    batches = [pad_rows(rows[i : i + batch_size]) for i in range(0, len(rows), batch_size)]
    begun = time.perf_counter()
    for ids, lengths in batches:
        compressor.model(ids, lengths, compressor.decoder_name, TaskToken.CONTINUE, None)
    return sum(map(len, rows)) / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
