"""How long a user waits for help, for a misspelt key, and for an import.

Run command: ``python -m arc_encoder.tools.bench.start``
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 3
SCRIPTS = Path(sys.executable).parent
CASES = {
    "import arc_encoder": [sys.executable, "-c", "import arc_encoder"],
    "arc --help": [str(SCRIPTS / "arc"), "--help"],
    "arc-train --help": [str(SCRIPTS / "arc-train"), "--help"],
    "arc-train optim.encodr_lr=1": [str(SCRIPTS / "arc-train"), "optim.encodr_lr=1"],
    "arc-ablate --help": [str(SCRIPTS / "arc-ablate"), "--help"],
    "arc-report --help": [str(SCRIPTS / "arc-report"), "--help"],
    "import torch, transformers, lightning": [sys.executable, "-c", "import torch, transformers, lightning"],
}


def seconds(words: list[str]) -> float:
    """Wall time of a command."""
    begun = time.perf_counter()
    subprocess.run(words, capture_output=True, check=False)
    return time.perf_counter() - begun


def main() -> None:
    """Console entry point: a Markdown table, median of three; the last row is what waiting for the libraries would cost."""
    print("| command | seconds |\n|---|---:|")
    for name, words in CASES.items():
        seconds(words)  # files that were never read
        print(f"| `{name}` | {statistics.median(seconds(words) for _ in range(ROUNDS)):.2f} |", flush=True)


if __name__ == "__main__":
    main()
