"""Figures → tables: scores with the paper's beside them, costs, surviving shares."""

from __future__ import annotations

from collections.abc import Sequence

from arc_encoder.evaluation.results import surviving_share
from arc_encoder.reporting.published import published, published_score, published_variant
from arc_encoder.reporting.runs import Run
from arc_encoder.reporting.summary import Figure
from arc_encoder.reporting.table_files import Table
from arc_encoder.reporting.tables import TITLES, label

SPREAD = (
    "Values of several runs (seeds) are mean ± standard deviation; of a single one with the bootstrap interval of 95 %."
)


def score_table(figures: Sequence[Figure]) -> Table:
    """One row a variant or system, one column a benchmark and metric."""
    columns = list(dict.fromkeys((figure.row.benchmark, figure.row.shots, figure.row.metric) for figure in figures))
    shots = {benchmark: {s for b, s, _ in columns if b == benchmark} for benchmark, _, _ in columns}
    lines: dict[tuple[str, str], dict[tuple[str, int | None, str], Figure]] = {}
    for figure in figures:
        row = figure.row
        lines.setdefault((row.decoder, figure.name), {})[row.benchmark, row.shots, row.metric] = figure
    averages = _averages(figures)
    variants = {key: published_variant(next(iter(cells.values()))) for key, cells in lines.items()}
    paper = any(value is not None for value in variants.values())
    header = [
        "system",
        "decoder",
        "runs",
        *(
            f"{benchmark}{f' ({count} shots)' if len(shots[benchmark]) > 1 else ''}, {TITLES.get(metric, metric)}"
            for benchmark, count, metric in columns
        ),
        *(["average"] if averages else []),
        *(["paper, average"] if paper else []),
        "positions for documents",
    ]
    rows = []
    for key, cells in lines.items():
        texts = [key[1], key[0], str(max(figure.seeds for figure in cells.values()))]
        texts += [_cell(cells.get(column)) for column in columns]
        if averages:
            texts.append(averages.get(key, ""))
        if paper:
            value = variants[key]
            texts.append("" if value is None else f"{value:.1f}")
        positions = next(iter(cells.values())).document_positions
        rows.append([*texts, f"{positions:.1f}"])
    note = SPREAD
    if averages:
        note += " The average is over the first metric of each benchmark that is in percent."
    if paper or "(paper " in str(rows):
        note += f" Figures of the paper: {published()['source']}" + (
            ", ARC with factor 8 in front of Mistral 7B: another model and other data, for the order alone."
            if paper
            else "."
        )
    return Table("scores", "Scores", header, rows, note)


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return ""
    known = published_score(figure)
    return figure.text if known is None else f"{figure.text} (paper {known:.1f})"


def _averages(figures: Sequence[Figure]) -> dict[tuple[str, str], str]:
    """Mean of the first metric in percent over benchmarks, for lines that have all of them; none for one benchmark."""
    first: dict[str, str] = {}
    for figure in figures:
        if "loss" not in figure.row.metric:
            first.setdefault(figure.row.benchmark, figure.row.metric)
    if len(first) < 2:
        return {}
    sums: dict[tuple[str, str], dict[str, float]] = {}
    for figure in figures:
        if first.get(figure.row.benchmark) == figure.row.metric:
            sums.setdefault((figure.row.decoder, figure.name), {})[figure.row.benchmark] = figure.value
    return {key: f"{sum(found.values()) / len(found):.1f}" for key, found in sums.items() if len(found) == len(first)}


def cost_table_of(runs: Sequence[Run]) -> Table | None:
    """What a prompt costs, mean over seeds; None where nothing was measured."""
    groups: dict[tuple[str, str, str, str], list[tuple[float, ...]]] = {}
    for run in runs:
        for cost in run.costs:
            system = label(cost) + (" (decoder modified)" if cost.decoder_modified else "")
            figures = (
                cost.prompt_positions,
                cost.document_positions,
                cost.ratio or float("nan"),
                cost.stored_bytes,
                cost.encoder_gflops,
                cost.decoder_gflops,
                cost.first_token_ms,
                cost.peak_memory_gib,
                cost.seconds,
            )
            groups.setdefault((run.variant, cost.decoder, cost.benchmark, system), []).append(figures)
    if not groups:
        return None
    rows = []
    for (variant, decoder, benchmark, system), found in groups.items():
        means = [sum(column) / len(column) for column in zip(*found, strict=True)]
        digits = (1, 1, 2, 0, 3, 3, 1, 2, 1)
        texts = ["" if mean != mean else f"{mean:.{d}f}" for mean, d in zip(means, digits, strict=True)]
        rows.append([": ".join(filter(None, [variant, system])), decoder, benchmark, *texts])
    header = [
        "system", "decoder", "benchmark", "positions", "of which documents", "ratio", "bytes stored", "encoder GFLOPs",
        "decoder GFLOPs", "first token ms", "peak GiB", "seconds in all",
    ]  # fmt: skip
    note = (
        "Means over prompts. Ratio: tokens of the decoder that the documents have, for each position that they take, task "
        "tokens counted. Bytes stored: the prompt's documents as text, or as vectors of 16 bits a number."
    )
    return Table("costs", "Costs of a prompt", header, rows, note)


def share_table(runs: Sequence[Run]) -> Table | None:
    """(loss_none − loss_arc) ÷ (loss_none − loss_full), with the losses without and with the text taken from all runs."""
    plain = [
        row for run in runs for row in run.rows if row.metric == "loss" and row.system in ("closed_book", "open_book")
    ]
    found: dict[tuple[str, str, str, str], list[float]] = {}
    for run in runs:
        for row in run.rows:
            if row.metric != "loss" or row.system != "arc" or row.pooling_factor is None:
                continue
            same = [each for each in plain if each.benchmark == row.benchmark]
            share = surviving_share([*same, row], row.pooling_factor, row.decoder)
            if share is not None:
                key = (run.variant, label(row), row.decoder, row.benchmark)
                found.setdefault(key, []).append(share)
    if not found:
        return None
    rows = [
        [": ".join(filter(None, key[:2])), *key[2:], f"{sum(values) / len(values):.3f}", str(len(values))]
        for key, values in found.items()
    ]
    note = "The part of the context's benefit for the loss that compression keeps; 1 is as good as the text."
    return Table("surviving_share", "Surviving share", ["system", "decoder", "benchmark", "share", "runs"], rows, note)
