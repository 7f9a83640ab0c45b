"""How long a user waits for help, for a misspelt key, and for an import.

Run command: ``python -m arc_encoder.tools.bench.start``
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROUNDS = 3
SCRIPTS = Path(sys.executable).parent
IMPORT, ANSWER = 0.3, 2.0  # seconds that a user should wait at most, on an idle core


def cases() -> dict[str, tuple[list[str], float | None]]:
    """What is measured: its words and its limit."""
    train = str(SCRIPTS / "arc-train")
    found: dict[str, tuple[list[str], float | None]] = {
        "import arc_encoder": ([sys.executable, "-c", "import arc_encoder"], IMPORT),
        "arc-train optim.encodr_lr=1": ([train, "optim.encodr_lr=1"], ANSWER),
    }
    for script in sorted(SCRIPTS.glob("arc*")):
        found[f"{script.name} --help"] = ([str(script), "--help"], ANSWER)
    libraries = "import torch, transformers, lightning"
    return {**found, libraries: ([sys.executable, "-c", libraries], None)}


def seconds(words: list[str]) -> tuple[float, float]:
    """Seconds of the clock and of the processor that a command takes; on a busy machine the second say more."""
    begun, used = time.perf_counter(), os.times()
    subprocess.run(words, capture_output=True, check=False)
    after = os.times()
    processor = after.children_user + after.children_system - used.children_user - used.children_system
    return time.perf_counter() - begun, processor


def measured(rounds: int = ROUNDS, *, every: bool = True) -> Iterator[tuple[str, tuple[float, float], float | None]]:
    """What was measured, its seconds of the clock and of the processor (medians), and its limit.

    Args:
        rounds: how often each is timed.
        every: every command's help; False asks `arc-train` alone.
    """
    for name, (words, limit) in cases().items():
        if not every and name.endswith("--help") and name != "arc-train --help":
            continue
        seconds(words)  # files that were never read
        clock, processor = (
            statistics.median(each) for each in zip(*(seconds(words) for _ in range(rounds)), strict=True)
        )
        yield name, (clock, processor), limit


def main() -> None:
    """Console entry point: a Markdown table, median of three; the last row is what waiting for the libraries would cost."""
    print("| command | seconds | of the processor | limit |\n|---|---:|---:|---:|")
    for name, (clock, processor), limit in measured():
        shown = "" if limit is None else f"{limit:g}"
        print(f"| `{name}` | {clock:.2f} | {processor:.2f} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
