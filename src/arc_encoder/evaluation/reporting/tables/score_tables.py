"""Figures → a table of scores, with the paper's beside them."""

from __future__ import annotations

from collections.abc import Sequence

from arc_encoder.evaluation.reporting.reading.names import BARE
from arc_encoder.evaluation.reporting.reading.published import published, published_score, published_variant
from arc_encoder.evaluation.reporting.reading.summary import Figure
from arc_encoder.evaluation.reporting.tables.averages import averages, flores_means, main_of
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
