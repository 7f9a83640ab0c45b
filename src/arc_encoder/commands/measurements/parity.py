"""`arc-parity`: compare with golden vectors of the method's public implementation.

Run command: ``arc-parity ../shared/parity``
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from arc_encoder.config.app.failing import user_errors
from arc_encoder.core.errors import ArcError

DTYPES = ("float32", "bfloat16", "float64")


def main() -> None:
    """Console entry point; leaves with 1 if a case is off, with 2 if nothing could be checked."""
    parser = argparse.ArgumentParser(prog="arc-parity", description="Check every golden case below a folder.")
    parser.add_argument("folder", type=Path, help="of golden cases, at any depth")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, or auto (default: cpu)")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the models (default: float32)")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="factor on every tolerance, for less precise dtypes (default: 1)"
    )
    arguments = parser.parse_args()
    import torch

    from arc_encoder.config.app.run import quieten
    from arc_encoder.core.compute import choose_device
    from arc_encoder.tools.parity.comparison import results_text
    from arc_encoder.tools.parity.suite import NOT_COMPARED, run_suite

    quieten()
    with user_errors():
        if not arguments.folder.is_dir():
            raise ArcError(f"{arguments.folder} is no folder; give one of golden cases")
        device, dtype = choose_device(arguments.device), getattr(torch, arguments.dtype)
        results = run_suite(arguments.folder, device=device, dtype=dtype, scale=arguments.scale)
    print(results_text(results, scale=arguments.scale, not_compared=NOT_COMPARED))
    sys.exit(0 if all(found.passed for found in results) else 1)
