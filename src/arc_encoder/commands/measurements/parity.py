"""`arc-parity`: compare with golden vectors of the method's public implementation.

Run command: ``arc-parity ../shared/parity``
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from arc_encoder.config.app.failing import fail
from arc_encoder.config.app.run import quieten
from arc_encoder.core.compute.device import choose_device
from arc_encoder.core.errors import ArcError

if TYPE_CHECKING:
    from arc_encoder.tools.parity.comparison import Comparison

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

    from arc_encoder.tools.parity.comparison import LOGITS_TOLERANCE, TOLERANCE
    from arc_encoder.tools.parity.suite import NOT_COMPARED, run_suite

    quieten()
    try:
        if not arguments.folder.is_dir():
            raise ArcError(f"{arguments.folder} is no folder; give one of golden cases")
        device = choose_device(arguments.device)
        results = run_suite(
            arguments.folder, device=device, dtype=getattr(torch, arguments.dtype), scale=arguments.scale
        )
    except ArcError as error:
        fail(str(error))
    print(table(results))
    off = [found for found in results if not found.passed]
    for found in off:
        for problem in found.problems[:10] or ["nothing was compared"]:
            print(f"{found.name}: {problem}")
    print(
        f"{len(results) - len(off)} of {len(results)} cases agree within {TOLERANCE * arguments.scale:.0e} "
        f"(logits {LOGITS_TOLERANCE * arguments.scale:.0e}); not compared: {', '.join(NOT_COMPARED)}"
    )
    sys.exit(1 if off else 0)


def table(results: list[Comparison]) -> str:
    """A Markdown table, one row a case."""
    lines = ["| case | numbers | worst difference | where | verdict |", "|---|---|---|---|---|"]
    for found in results:
        where = max(found.worst, key=lambda kind: found.worst[kind]) if found.worst else "–"
        verdict = "agrees" if found.passed else "OFF"
        if found.notes:
            verdict += f" ({'; '.join(found.notes)})"
        lines.append(f"| {found.name} | {found.values:,} | {found.worst_of_all:.1e} | {where} | {verdict} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
