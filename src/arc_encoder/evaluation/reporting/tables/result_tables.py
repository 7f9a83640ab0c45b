"""Rows of results as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from arc_encoder.evaluation.reporting.tables.markdown import table
from arc_encoder.evaluation.runs.results import Cost, Part, Row

TITLES = {
    "exact_match": "EM %",
    "f1": "F1 %",
    "rouge_l": "ROUGE-L %",
    "bleu": "BLEU %",
    "substring_match": "substring %",
    "loss": "loss (nats/token)",
    "answer_token_loss": "answer loss (nats/token)",
    **{f"faithful_{kind}": f"faithful {kind} %" for kind in ("numbers", "dates", "names")},
    **{f"exact_match_{kind}": f"EM of {kind} %" for kind in ("numbers", "dates", "names")},
}
# Column of a table of costs → field, form in a terminal, decimals in a report.
COSTS = {
    "positions": ("prompt_positions", ".1f", 1),
    "of which documents": ("document_positions", ".1f", 1),
    "ratio": ("ratio", ".2f", 2),
    "bytes stored": ("stored_bytes", ".0f", 0),
    "encoder GFLOPs": ("encoder_gflops", ".3g", 3),
    "decoder GFLOPs": ("decoder_gflops", ".3g", 3),
    "first token ms": ("first_token_ms", ".1f", 1),
    "peak GiB": ("peak_memory_gib", ".2f", 2),
    "seconds in all": ("seconds", ".1f", 1),
}
HIDDEN = {"perplexity"}
MODIFIED = " (decoder modified)"


def span(numbers: Sequence[int]) -> str:
    """The smallest and the largest of them: "200", or "50 to 200"."""
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def label(row: Part) -> str:
    """System and factor in words: "arc ×4"."""
    return row.system if row.pooling_factor is None else f"{row.system} ×{row.pooling_factor}"


def markdown_table(rows: Sequence[Row], costs: Sequence[Cost] = ()) -> str:
    """One line a part, one column a metric, each value with its 95 % interval.

    Args:
        costs: of the same parts. Systems that change the decoder are marked; of older results, costs alone say so.
    """
    metrics = [name for name in dict.fromkeys(row.metric for row in rows) if name not in HIDDEN]
    groups: dict[Part, dict[str, Row]] = {}
    for row in rows:
        groups.setdefault(part_of(row), {})[row.metric] = row
    modified = {part_of(row) for row in rows if row.decoder_modified}
    modified |= {part_of(cost) for cost in costs if cost.decoder_modified}
    several = "decoder" if len({part.decoder for part in groups}) > 1 else ""
    asked = _asked(list(groups))
    header = [
        *filter(None, [several]), "benchmark", *asked, "system", *(TITLES.get(m, m) for m in metrics),
        "positions for documents",
    ]  # fmt: skip
    lines = [header, ["---"] * len(header)]
    for part, cells in groups.items():
        names = [*([part.decoder] if several else []), part.benchmark, *(_text(part, name) for name in asked)]
        system = label(part) + (MODIFIED if part in modified else "")
        values = [_cell(cells[name]) if name in cells else "" for name in metrics]
        positions = next(iter(cells.values())).document_positions
        lines.append([*names, system, *values, f"{positions:.1f}"])
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    lines[1] = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def cost_table(costs: Sequence[Cost]) -> str:
    """What a prompt costs with each system, on average."""
    several = len({cost.decoder for cost in costs}) > 1
    asked = _asked(costs)
    columns = {name: column for name, column in COSTS.items() if name != "bytes stored"}
    names = [*(["decoder"] if several else []), "benchmark", *asked, "system", *columns]
    rows = []
    for cost in costs:
        shown = label(cost) + (MODIFIED if cost.decoder_modified else "")
        values = [(getattr(cost, field), form) for field, form, _ in columns.values()]
        figures = ["" if value is None else f"{value:{form}}" for value, form in values]
        asked_of = [*([cost.decoder] if several else []), cost.benchmark, *(_text(cost, name) for name in asked)]
        rows.append([*asked_of, shown, *figures])
    return table(names, rows)


def part_of(row: Part) -> Part:
    """What a row or a cost is about, alone."""
    return Part(**{each.name: getattr(row, each.name) for each in fields(Part)})


def _asked(parts: Sequence[Part]) -> list[str]:
    """The columns without which two lines were the same: what some benchmark has several values of."""
    found: dict[tuple[str, str], set[object]] = {}
    for part in parts:
        for name in ("protocol", "shots", "seed"):
            found.setdefault((name, part.benchmark), set()).add(getattr(part, name))
    return list(dict.fromkeys(name for (name, _), values in found.items() if len(values) > 1))


def _text(part: Part, name: str) -> str:
    value = getattr(part, name)
    return "" if value is None else str(value)


def _cell(row: Row) -> str:
    digits = 3 if "loss" in row.metric else 1
    return f"{row.value:.{digits}f} [{row.ci_low:.{digits}f}, {row.ci_high:.{digits}f}]"
