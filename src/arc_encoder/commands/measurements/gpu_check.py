"""`tools/gpu_check.sh`: what this project does on one GPU, in one command without a network.

Golden cases in float32 and bfloat16, the quickstart, a training step and the time to the first token at the paper's
sizes with random weights. It writes gpu.json and gpu.md. `--size tiny --device cpu` runs the same on a CPU in a minute.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from arc_encoder.config.app.failing import fail
from arc_encoder.config.app.run import quieten
from arc_encoder.core.atomic import write_text_atomically
from arc_encoder.core.compute.device import choose_device
from arc_encoder.core.errors import ArcError
from arc_encoder.tools.bench.gpu.first_token import measure_first_token
from arc_encoder.tools.bench.gpu.models import paper, tiny
from arc_encoder.tools.bench.gpu.report import gpu_report
from arc_encoder.tools.bench.gpu.training_step import measure_step
from arc_encoder.tools.parity.suite import run_suite

SIZES = {"paper": paper, "tiny": tiny}
PARTS = ("golden", "step", "first_token", "quickstart")
GOLDEN = {"float32": 10.0, "bfloat16": 20000.0}  # factor on the tolerances, which are those of float32 on a CPU


def main() -> None:
    """Console entry point; leaves with 1 if a part failed."""
    parser = argparse.ArgumentParser(
        prog="tools/gpu_check.sh", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("logs/gpu_check"), help="folder of gpu.json and gpu.md")
    parser.add_argument("--golden", type=Path, help="folder of golden cases; left out without one")
    parser.add_argument("--size", choices=SIZES, default="paper", help="of the random models (default: paper)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, or auto (default)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to do (default: all)")
    parser.add_argument("--quickstart", nargs="*", default=[], help="further words for arc-quickstart")
    arguments = parser.parse_args()
    quieten()
    try:
        device = torch.device(choose_device(arguments.device))
        arguments.output.mkdir(parents=True, exist_ok=True)
    except (ArcError, OSError) as error:
        fail(str(error))
    results = check(arguments, device)
    for name, text in (("gpu.json", json.dumps(results, indent=2)), ("gpu.md", gpu_report(results))):
        write_text_atomically(arguments.output / name, text + "\n")
    print(gpu_report(results))
    print(f"\nWritten to {arguments.output}: gpu.json, gpu.md")
    sys.exit(1 if any("error" in part for part in results["parts"].values()) else 0)


def check(arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Every part that was asked for, one after the other; a part that fails is told and does not end the others."""
    size = SIZES[arguments.size]()
    work: dict[str, Callable[[], Any]] = {
        "golden": lambda: golden(arguments.golden, device),
        "step": lambda: measure_step(size, device),
        "first_token": lambda: measure_first_token(size, device),
        "quickstart": lambda: quickstart(arguments.output / "quickstart", device, arguments.quickstart),
    }
    parts: dict[str, Any] = {}
    for name in arguments.parts:
        print(f"{name} …", file=sys.stderr, flush=True)
        start = time.perf_counter()
        try:
            found = {"result": work[name]()}
        except Exception as error:  # it is told in the table, and by the exit status
            found = {"error": f"{type(error).__name__}: {error}"}
        parts[name] = {**found, "seconds": time.perf_counter() - start}
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return {"machine": machine(device), "size": size.name, "parts": parts}


def machine(device: torch.device) -> dict[str, str]:
    """What the figures belong to."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "device": name,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def golden(folder: Path | None, device: torch.device) -> list[dict[str, Any]] | None:
    """The golden cases in each dtype; None where they are not at hand."""
    if folder is None:
        return None
    rows = []
    for dtype, scale in GOLDEN.items():
        found = run_suite(folder, device=str(device), dtype=getattr(torch, dtype), scale=scale, progress=False)
        worst = max((each.worst_of_all for each in found), default=0.0)
        passed = sum(each.passed for each in found)
        rows.append({"dtype": dtype, "cases": len(found), "passed": passed, "worst": worst, "tolerance_factor": scale})
    return rows


def quickstart(folder: Path, device: torch.device, words: list[str]) -> dict[str, Any]:
    """The quickstart on the device, and what it found."""
    trainer = ['overrides=["trainer=gpu"]'] if device.type == "cuda" else []
    command = [
        sys.executable,
        "-m",
        "arc_encoder.commands.experiments.quickstart",
        f"hydra.run.dir={folder}",
        f"link={folder}_latest",
    ]
    ended = subprocess.run(
        [*command, *trainer, *words], capture_output=True, text=True, env={**os.environ}, check=False
    )
    if ended.returncode:
        raise RuntimeError(f"arc-quickstart left with {ended.returncode}: {ended.stderr.strip()[-500:]}")
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return {"seconds": found["seconds"], "surviving_share": found["surviving_share"]}


if __name__ == "__main__":
    main()
