"""How long a user waits for an import, for help, and for a misspelt key."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from arc_encoder.tools.bench.suite.figure import Figure, Measurement

SCRIPTS = Path(sys.executable).parent
IMPORT, ANSWER = 0.3, 2.0  # seconds that a user should wait at most, on an idle core


@dataclass
class Starting(Measurement):
    """Commands that answer at once; the last figure is what waiting for the libraries would cost.

    Attributes:
        rounds: how often each is timed.
        commands: whether every command's help is timed, or `arc-train`'s alone.
    """

    rounds: int = 3
    commands: bool = True

    def figures(self) -> list[Figure]:
        train, libraries = str(SCRIPTS / "arc-train"), "import torch, transformers, lightning"
        cases: dict[str, tuple[list[str], float | None]] = {
            "import arc_encoder": ([sys.executable, "-c", "import arc_encoder"], IMPORT),
            "arc-train optim.encodr_lr=1": ([train, "optim.encodr_lr=1"], ANSWER),
        }
        for script in sorted(SCRIPTS.glob("arc*")) if self.commands else [Path(train)]:
            cases[f"{script.name} --help"] = ([str(script), "--help"], ANSWER)
        cases[libraries] = ([sys.executable, "-c", libraries], None)
        found = []
        for name, (words, limit) in cases.items():
            seconds = [_seconds(words) for _ in range(self.rounds + 1)][
                1:
            ]  # the first reads files that were never read
            median = statistics.median(seconds)
            found.append(Figure(name, median, "s", limit, "promised" if limit else "", more_is_better=False))
        return found


def _seconds(words: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(words, capture_output=True, check=False)
    return time.perf_counter() - begun
