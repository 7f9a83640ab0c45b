"""Figures → a table of scores, with the paper's beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arc_encoder.evaluation.reporting.reading.names import BARE
from arc_encoder.evaluation.reporting.reading.published import (
    FLORES,
    published,
    published_mean,
    published_score,
    published_variant,
)
from arc_encoder.evaluation.reporting.reading.summary import LOSSES, Figure
from arc_encoder.evaluation.reporting.tables.result_tables import MODIFIED, TITLES, span
from arc_encoder.evaluation.reporting.tables.table_files import Table

SPREAD = "Values of several runs (seeds) are mean ± standard deviation; of a single one with the bootstrap interval of 95 %, over articles where they are named."
ABLATED = "ARC with factor 8 in front of Mistral 7B, average score"
ELSEWHERE = ": another model and other data, for the order alone"
OTHERWISE = (
    " The paper's examples and accepted answers are those of the protocol paper; figures of the protocol strict are near them, "
    "but not the same thing."
)
FEWER = " Not every figure is over the same number of runs; where those of a line differ it has no average."


def score_table(figures: Sequence[Figure]) -> Table:
    """One row a variant or system, one column a benchmark and metric."""
    columns = list(dict.fromkeys((figure.row.benchmark, figure.row.shots, figure.row.metric) for figure in figures))
    shots = {benchmark: {s for b, s, _ in columns if b == benchmark} for benchmark, _, _ in columns}
    lines: dict[tuple[str, str], dict[tuple[str, int | None, str], Figure]] = {}
    for figure in figures:
        row = figure.row
        lines.setdefault((row.decoder, figure.name), {})[row.benchmark, row.shots, row.metric] = figure
    main = main_of(figures)
    means, flores = averages(lines, main), flores_means(lines, main)
    variants = [published_variant(next(iter(cells.values()))) for cells in lines.values()]
    paper = any(value is not None for value in variants)
    header = [
        "system",
        "decoder",
        "runs",
        *(
            f"{benchmark}{f' ({count} shots)' if len(shots[benchmark]) > 1 else ''}, {TITLES.get(metric, metric)}"
            for benchmark, count, metric in columns
        ),
        *(["flores, mean of four directions"] if flores else []),
        *(["average"] if means else []),
        *(["paper, average"] if paper else []),
        "positions for documents" + (f" ({columns[0][0]})" if len(shots) > 1 else ""),
    ]
    rows = []
    for number, ((decoder, name), cells) in enumerate(lines.items()):
        modified = MODIFIED if any(figure.modified for figure in cells.values()) else ""
        texts = [name + modified, decoder, span([figure.seeds for figure in cells.values()])]
        texts += [_cell(cells.get(column)) for column in columns]
        texts += [each[number] for each in (flores, means) if each]
        if paper:
            value = variants[number]
            texts.append("" if value is None else f"{value:.1f}")
        same = [figure for (benchmark, _, _), figure in cells.items() if benchmark == columns[0][0]]
        rows.append([*texts, f"{same[0].document_positions:.1f}" if same else ""])
    note = SPREAD
    if means:
        note += " The average is over the first metric of each benchmark that is in percent"
        note += ", the directions of FLORES counted as one benchmark." if flores else "."
    if paper or "(paper " in str(rows):
        there = all(figure.conditions.get("scale") == "paper" for figure in figures)
        note += f" Figures of the paper: {published()['source']}"
        note += (f", {ABLATED}{'' if there else ELSEWHERE}" if paper else "") + "."
        if any(figure.row.protocol != "paper" for figure in figures):
            note += OTHERWISE
    if len({figure.seeds for figure in figures if figure.variant not in BARE}) > 1:
        note += FEWER
    return Table("scores", "Scores", header, rows, note)


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return ""
    known = published_score(figure)
    return figure.text if known is None else f"{figure.text} (paper {known:.1f})"


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
