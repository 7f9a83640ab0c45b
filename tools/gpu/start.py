"""`tools/gpu_check.sh`: what this project does on one GPU, in one command without a network.

Golden cases in float32 and bfloat16, the quickstart, and at the paper's sizes with random weights a training step,
contexts padded and packed, and the time to the first token. It writes gpu.json and gpu.md. `--size tiny --device cpu` runs the same on a CPU in a minute.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

from arc_encoder.config.app.failing import fail
from arc_encoder.config.app.run import quieten
from arc_encoder.core.atomic import write_text_atomically
from arc_encoder.core.compute import choose_device
from arc_encoder.core.errors import ArcError
from tools.gpu.check import PARTS, SIZES, check_gpu
from tools.gpu.report import gpu_report


def main() -> None:
    """Console entry point; leaves with 1 if a part failed."""
    form = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(prog="tools/gpu_check.sh", description=__doc__, formatter_class=form)
    parser.add_argument("--output", type=Path, default=Path("logs/gpu_check"), help="folder of gpu.json and gpu.md")
    parser.add_argument("--golden", type=Path, help="folder of golden cases; left out without one")
    parser.add_argument("--size", choices=SIZES, default="paper", help="of the random models (default: paper)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, or auto (default)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to do (default: all)")
    parser.add_argument("--quickstart", nargs="*", default=[], help="further words for arc-quickstart")
    given = parser.parse_args()
    quieten()
    try:
        device = torch.device(choose_device(given.device))
        given.output.mkdir(parents=True, exist_ok=True)
    except (ArcError, OSError) as error:
        fail(str(error))
    results = check_gpu(
        device, size=given.size, parts=given.parts, output=given.output, golden=given.golden, words=given.quickstart
    )
    for name, text in (("gpu.json", json.dumps(results, indent=2)), ("gpu.md", gpu_report(results))):
        write_text_atomically(given.output / name, text + "\n")
    print(f"{gpu_report(results)}\n\nWritten to {given.output}: gpu.json, gpu.md")
    sys.exit(1 if any("error" in part for part in results["parts"].values()) else 0)


if __name__ == "__main__":
    main()
