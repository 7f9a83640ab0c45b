"""All measurements in one run: a table, a file, and what became slower since another file."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers

from arc_encoder.core.atomic import write_text_atomically
from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.evaluation.reporting.tables.markdown import table
from arc_encoder.tools.bench.suite.figure import Figure, Measurement


def measure_all(
    parts: Mapping[str, Measurement], *, only: Sequence[str] = (), output: Path | None = None
) -> dict[str, list[Figure]]:
    """Run the measurements, one after the other; the file is written after each.

    Args:
        parts: by name.
        only: names of those that are run; empty runs all.
        output: JSON file for the figures.

    Raises:
        ConfigError: an unknown name.
    """
    unknown = [name for name in only if name not in parts]
    if unknown:
        raise ConfigError(f"only={unknown}: there is no such measurement; choose among {', '.join(parts)}")
    found: dict[str, list[Figure]] = {}
    for name in only or parts:
        print(f"{name} …", file=sys.stderr, flush=True)
        found[name] = parts[name].figures()
        if output is not None:
            content = {
                "machine": machine(),
                "figures": {part: [asdict(each) for each in own] for part, own in found.items()},
            }
            write_text_atomically(output, json.dumps(content, indent=1) + "\n")
    return found


def machine() -> dict[str, Any]:
    """What the figures hang on."""
    return {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }


def read_figures(file: Path) -> dict[str, list[Figure]]:
    """What `measure_all` wrote.

    Raises:
        DataError: no such file, or another one.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))["figures"]
        return {part: [Figure(**each) for each in own] for part, own in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file} holds no figures of an earlier run ({error}); expected the JSON file that `output` names"
        ) from error


def figures_table(found: Mapping[str, Sequence[Figure]]) -> str:
    """Every figure beside its limit, as Markdown."""
    marks = {True: "yes", False: "**no**", None: ""}
    rows = [
        [
            each.name,
            f"{_number(each.value)} {each.unit}",
            ""
            if each.limit is None
            else f"{'≥' if each.more_is_better else '≤'} {_number(each.limit)} ({each.limit_of})",
            marks[None if each.limit_of.startswith("its") else each.kept],
        ]
        for own in found.values()
        for each in own
    ]
    return table(["figure", "measured", "limit", "kept"], rows)


def comparison(
    old: Mapping[str, Sequence[Figure]], new: Mapping[str, Sequence[Figure]], tolerance: float = 1.1
) -> tuple[str, list[str]]:
    """Both runs side by side, and the names of what became worse by more than `tolerance`.

    Args:
        old, new: figures by part; those that are in both are compared.
        tolerance: a ratio above 1 that counts as noise.

    Raises:
        ConfigError: a tolerance below 1.
    """
    if tolerance < 1:
        raise ConfigError(f"tolerance={tolerance}: expected a ratio from 1 on, such as 1.1")
    before = {each.name: each for own in old.values() for each in own}
    rows, slower = [], []
    for each in (each for own in new.values() for each in own):
        if each.name not in before:
            continue
        first = before[each.name].value
        better = each.value / first if each.more_is_better else first / each.value
        verdict = "better" if better > tolerance else "worse" if better < 1 / tolerance else "alike"
        if verdict == "worse":
            slower.append(each.name)
        rows.append(
            [each.name, f"{_number(first)} {each.unit}", f"{_number(each.value)} {each.unit}", f"{better:.2f}", verdict]
        )
    return table(["figure", "before", "now", "times as good", ""], rows), slower


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
