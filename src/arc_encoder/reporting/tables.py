"""Rows of results as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

from arc_encoder.evaluation.results import Row

TITLES = {"exact_match": "EM %", "f1": "F1 %", "rouge_l": "ROUGE-L %", "bleu": "BLEU %", "loss": "loss (nats/token)"}
HIDDEN = {"perplexity"}


def label(row: Row) -> str:
    """System and factor in words: "arc ×4"."""
    return row.system if row.pooling_factor is None else f"{row.system} ×{row.pooling_factor}"


def markdown_table(rows: Sequence[Row]) -> str:
    """One line a system and benchmark, one column a metric, each value with its 95 % interval."""
    metrics = [name for name in dict.fromkeys(row.metric for row in rows) if name not in HIDDEN]
    groups: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        groups.setdefault((row.decoder, row.benchmark, label(row)), {})[row.metric] = row
    several = len({decoder for decoder, _, _ in groups}) > 1
    header = [
        *(["decoder"] if several else []),
        "benchmark",
        "system",
        *(TITLES.get(m, m) for m in metrics),
        "positions for documents",
    ]
    lines = [header, ["---"] * len(header)]
    for (decoder, benchmark, system), cells in groups.items():
        values = [_cell(cells[name]) if name in cells else "" for name in metrics]
        positions = next(iter(cells.values())).document_positions
        lines.append([*([decoder] if several else []), benchmark, system, *values, f"{positions:.1f}"])
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    lines[1] = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def _cell(row: Row) -> str:
    digits = 3 if row.metric == "loss" else 1
    return f"{row.value:.{digits}f} [{row.ci_low:.{digits}f}, {row.ci_high:.{digits}f}]"
