"""How fast a store of compressed documents is written and read, and how large it is.

Run command: ``python -m tools.measure.store``
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from arc_encoder.inference.encoding.contexts import CompressedContext, Origin
from arc_encoder.inference.storage import Codec, FloatCodec, Int8Codec, ProductCodec, VectorStore

CODECS: dict[str, Callable[[], Codec]] = {
    "float32": partial(FloatCodec, "float32"),
    "bfloat16": FloatCodec,
    "int8": Int8Codec,
    "product 1 bit": ProductCodec,
}
BLOCK = 500  # passages written at once
ASKED = 100  # passages read at once


def main() -> None:
    """Console entry point: a Markdown table."""
    parser = argparse.ArgumentParser(description="Speed and size of a store of compressed passages.")
    parser.add_argument("--passages", type=int, default=5000)
    parser.add_argument("--vectors", type=int, default=33, help="of a passage: 128 tokens at ×4, and the task token")
    parser.add_argument("--width", type=int, default=576, help="of a vector")
    arguments = parser.parse_args()
    print("| codec | written, passages/s | read warm, passages/s | bytes a passage |\n|---|---:|---:|---:|")
    for name, make in CODECS.items():
        with tempfile.TemporaryDirectory() as scratch:
            row = measured(Path(scratch) / "store", make(), arguments.passages, arguments.vectors, arguments.width)
            print(f"| {name} | {row} |")


def measured(folder: Path, codec: Codec, passages: int, count: int, width: int) -> str:
    """A row of the table. Read vectors are put into one tensor, so every byte of them is touched."""
    vectors = torch.randn(BLOCK, count, width)
    codec.fit(vectors.flatten(0, 1))  # what a codec learns is learned once, and not counted
    store = VectorStore.create(folder, origin(0, count), codec)
    begun = time.perf_counter()
    for first in range(0, passages, BLOCK):
        vectors = vectors.roll(1, dims=2)  # other ones in every block: equal blocks would be kept once
        store.add(
            {
                f"p{number}": CompressedContext(vectors[number - first], origin(number, count))
                for number in range(first, min(first + BLOCK, passages))
            }
        )
    written = passages / (time.perf_counter() - begun)
    ids = random.Random(0).choices([f"p{number}" for number in range(passages)], k=passages)
    speeds = []
    for _ in range(4):  # the first is cold
        begun = time.perf_counter()
        for first in range(0, passages, ASKED):
            torch.cat([context.vectors for context in store.get(ids[first : first + ASKED])])
        speeds.append(passages / (time.perf_counter() - begun))
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / passages
    return f"{written:,.0f} | {sorted(speeds[1:])[1]:,.0f} | {size:,.0f}"


def origin(number: int, count: int) -> Origin:
    """Of a passage that does not exist."""
    return Origin(f"{number:064d}", "encoder", "decoder", "d", 4.0, 4 * count)


if __name__ == "__main__":
    main()
