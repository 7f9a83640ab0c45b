"""run.json: who trained what with which code, on which machine; one entry for each start of a run.

Together with config.yaml this is all that resuming the run needs.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import yaml

import arc_encoder
from arc_encoder.core.atomic import write_text_atomically
from arc_encoder.core.errors import CheckpointError, writing
from arc_encoder.core.run_folder.renamed import with_current_names

NAME = "run.json"
CONFIG = "config.yaml"
WORDS = "hydra/overrides.yaml"  # the words of the command line, where Hydra would write them
PACKAGES = (
    "torch", "lightning", "transformers", "tokenizers", "safetensors", "hydra-core", "omegaconf", "numpy", "peft",
)  # fmt: skip


def describe_start(*, seed: int | None, checkpoint: str | None) -> dict[str, Any]:
    """Everything about this start that can be told: plain numbers and texts."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(sys.argv),
        "folder": str(Path.cwd()),
        "checkpoint": checkpoint,
        "seed": seed,
        "versions": versions(),
        "machine": machine(),
    }


def record_start(
    run: Path,
    *,
    seed: int | None = None,
    checkpoint: str | None = None,
    config: str | None = None,
    words: Sequence[str] | None = None,
) -> None:
    """Make the folder of a run and write into it a record of this start, with its configuration and words if there are any.

    Raises:
        ConfigError: the folder cannot be written.
    """
    with writing(f"the run's folder {run}", "choose another", advice="run-folder"):
        run.mkdir(parents=True, exist_ok=True)
        if config is not None:
            write_text_atomically(run / CONFIG, config)
        if words is not None:
            write_text_atomically(run / WORDS, yaml.safe_dump(list(words), default_flow_style=False, width=1 << 20))
        add_start(run, describe_start(seed=seed, checkpoint=checkpoint))


def read_config(run: Path) -> Any:
    """The configuration that a run was started with, in current names; None if it keeps none."""
    file = run / CONFIG
    return with_current_names(yaml.safe_load(file.read_text(encoding="utf-8"))) if file.is_file() else None


def add_start(run: Path, start: dict[str, Any]) -> None:
    """Append a start to the run's record."""
    starts = [*read_starts(run), start]
    write_text_atomically(run / NAME, json.dumps({"starts": starts}, indent=2) + "\n")


def read_starts(run: Path) -> list[dict[str, Any]]:
    """The starts of a run, oldest first; none if it has no record.

    Raises:
        CheckpointError: the record is corrupted.
    """
    file = run / NAME
    if not file.is_file():
        return []
    try:
        starts = json.loads(file.read_text())["starts"]
        if not isinstance(starts, list):
            raise TypeError("no list of starts")
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{file} is damaged ({error}); move it away, and the run continues with a new one"
        ) from error
    return starts


def changed_versions(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What is not what it was, such as "torch 2.9 → 2.13"."""
    return [
        f"{name} {_short(before.get(name))} → {_short(now.get(name))}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]


def changed_settings(before: Any, now: Any, *, without: Sequence[str] = ()) -> dict[str, str]:
    """What differs between two configurations: its key and, such as "4 → 8", its two values."""
    old, new = _flat(before), _flat(now)
    return {
        key: f"{old.get(key)} → {new.get(key)}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key) and not any(key == part or key.startswith(f"{part}.") for part in without)
    }


def versions() -> dict[str, str]:
    """Versions of this code, of Python and of the libraries that decide numbers."""
    found = {"python": platform.python_version(), "arc-encoder": arc_encoder.__version__, **code_of_checkout()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def code_of_checkout() -> dict[str, str]:
    """The commit, and whether files differ from it; nothing if this is an installed package."""
    root = Path(arc_encoder.__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return {}
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):  # no git here, or not our checkout
        return {}
    return {"commit": commit, "checkout": "changed since the commit" if changes else "as committed"}


def machine() -> dict[str, Any]:
    """What computes here."""
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "processes": int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_NTASKS") or 1),
    }


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {prefix: value}
    return {
        k: leaf
        for key, inner in value.items()
        for k, leaf in _flat(inner, f"{prefix}.{key}" if prefix else str(key)).items()
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()


def _short(value: Any) -> str:
    return "none" if value is None else str(value)[:40]
