"""What computes: devices, dtypes, memory."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import torch

from arc_encoder.core.errors import ConfigError


def choose_device(name: str) -> str:
    """The device called `name`; ``auto`` takes a GPU if there is one.

    Raises:
        ConfigError: it cannot be used here.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device {name!r} cannot be used here ({str(error).splitlines()[0]}); choose auto, cpu or cuda"
        ) from error
    return name


def own_device(name: str) -> str:
    """The device called `name` for this process; of several processes of a machine each has a GPU of its own."""
    device = choose_device(name)
    return f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" and "LOCAL_RANK" in os.environ else device


COMPUTE = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def compute_dtype(precision: Any, setting: str = "precision") -> torch.dtype:
    """The dtype of a precision.

    Args:
        precision: 32-true, bf16-mixed or 16-mixed.

    Raises:
        ConfigError: another one.
    """
    if str(precision) not in COMPUTE:
        raise ConfigError(
            f"{setting}={precision!r} is unknown or would not keep float32 master weights; choose one of {', '.join(COMPUTE)}"
        )
    return COMPUTE[str(precision)]


CLEAR_REFS = Path("/proc/self/clear_refs")


def reset_peak_memory(device: torch.device) -> None:
    """Let `peak_memory_gib` speak of what comes from now on; on a CPU this works on Linux alone."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif CLEAR_REFS.exists():
        try:
            CLEAR_REFS.write_text("5")
        except OSError:  # not allowed in every container: the peak of the whole process is told then
            return


def peak_memory_gib(device: torch.device) -> float:
    """Peak memory in GiB: allocated on the GPU, or resident in this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    status = Path("/proc/self/status")
    if status.exists():
        peak = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM:")), None)
        if peak is not None:
            return int(peak.split()[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
