"""Means of a line over benchmarks: over the four directions of FLORES, and over everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arc_encoder.evaluation.reporting.reading.published import FLORES, published_mean
from arc_encoder.evaluation.reporting.reading.summary import LOSSES, Figure

Line = tuple[str, str]


def main_of(figures: Sequence[Figure]) -> dict[str, tuple[int | None, str]]:
    """Benchmark → number of shots and first metric in percent; empty where a benchmark has several numbers of shots."""
    found: dict[str, tuple[int | None, str]] = {}
    for figure in figures:
        row = figure.row
        if row.metric not in LOSSES and found.setdefault(row.benchmark, (row.shots, row.metric))[0] != row.shots:
            return {}
    return found


def flores_means(lines: Mapping[Line, Mapping[Any, Figure]], main: Mapping[str, tuple[int | None, str]]) -> list[str]:
    """The mean over the directions of FLORES, a text for each line; empty if no line has all four."""
    texts = []
    for cells in lines.values():
        found = [cells[name, *main[name]] for name in FLORES if name in main and (name, *main[name]) in cells]
        whole = len(found) == len(FLORES)
        texts.append(_shown(_mean([each.value for each in found]), published_mean(found, "flores")) if whole else "")
    return texts if any(texts) else []


def averages(lines: Mapping[Line, Mapping[Any, Figure]], main: Mapping[str, tuple[int | None, str]]) -> list[str]:
    """The mean over benchmarks, a text for each line; none for a single benchmark.

    It is empty for a line that lacks a benchmark, or has them with different numbers of runs.

    The directions of FLORES count as one benchmark, as in the paper.
    """
    units: dict[str, list[str]] = {}
    for name in main:
        units.setdefault("flores" if name in FLORES else name, []).append(name)
    if len(units) < 2:
        return []
    texts = []
    for cells in lines.values():
        found = {name: cells[name, *main[name]] for name in main if (name, *main[name]) in cells}
        if len(found) < len(main) or len({figure.seeds for figure in found.values()}) > 1:
            texts.append("")
            continue
        means = [_mean([found[name].value for name in names]) for names in units.values()]
        texts.append(_shown(_mean(means), published_mean(list(found.values()), "average")))
    return texts


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _shown(value: float, paper: float | None) -> str:
    return f"{value:.1f}" if paper is None else f"{value:.1f} (paper {paper:.1f})"
