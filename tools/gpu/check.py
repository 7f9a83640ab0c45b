"""What this project does on one GPU: golden cases, the quickstart, a training step, packed contexts, the first token."""

from __future__ import annotations

import gc
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from arc_encoder.tools.parity.suite import run_suite
from tools.gpu.first_token import measure_first_token
from tools.gpu.models import paper, tiny
from tools.gpu.packing import measure_packing
from tools.gpu.training_step import measure_step

SIZES = {"paper": paper, "tiny": tiny}
PARTS = ("golden", "step", "packing", "first_token", "quickstart")
GOLDEN = {"float32": 10.0, "bfloat16": 20000.0}  # factor on the tolerances, which are those of float32 on a CPU


def check_gpu(
    device: torch.device, *, size: str, parts: Sequence[str], output: Path, golden: Path | None, words: list[str]
) -> dict[str, Any]:
    """Every part that was asked for, one after the other; a part that fails is told and does not end the others.

    Args:
        device: what is checked.
        size: of the random models, a key of `SIZES`.
        parts: of `PARTS`.
        output: folder of the quickstart's run.
        golden: folder of golden cases; None leaves them out.
        words: further words for the quickstart.
    """
    models = SIZES[size]()
    work: dict[str, Callable[[], Any]] = {
        "golden": lambda: check_golden(golden, device),
        "step": lambda: measure_step(models, device),
        "packing": lambda: measure_packing(models, device),
        "first_token": lambda: measure_first_token(models, device),
        "quickstart": lambda: run_quickstart(output / "quickstart", device, words),
    }
    done: dict[str, Any] = {}
    for name in parts:
        print(f"{name} …", file=sys.stderr, flush=True)
        start = time.perf_counter()
        try:
            found = {"result": work[name]()}
        except Exception as error:  # it is told in the table, and by the exit status
            found = {"error": f"{type(error).__name__}: {error}"}
        done[name] = {**found, "seconds": time.perf_counter() - start}
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return {"machine": machine(device), "size": models.name, "parts": done}


def machine(device: torch.device) -> dict[str, str]:
    """What the figures belong to."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "device": name,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def check_golden(folder: Path | None, device: torch.device) -> list[dict[str, Any]] | None:
    """The golden cases in each dtype; None where they are not available."""
    if folder is None:
        return None
    rows = []
    for dtype, scale in GOLDEN.items():
        found = run_suite(folder, device=str(device), dtype=getattr(torch, dtype), scale=scale, progress=False)
        worst = max((each.worst_of_all for each in found), default=0.0)
        passed = sum(each.passed for each in found)
        rows.append({"dtype": dtype, "cases": len(found), "passed": passed, "worst": worst, "tolerance_factor": scale})
    return rows


def run_quickstart(folder: Path, device: torch.device, words: list[str]) -> dict[str, Any]:
    """The quickstart on the device, and what it found."""
    trainer = ['overrides=["trainer=gpu"]'] if device.type == "cuda" else []
    command = [
        sys.executable,
        "-c",
        "from arc_encoder.commands.start import quickstart; quickstart()",
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
