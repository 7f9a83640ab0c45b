"""Rows of results as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

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
    names = [
        *(["decoder"] if several else []), "benchmark", *asked, "system", "positions", "of which documents", "ratio",
        "encoder GFLOPs", "decoder GFLOPs", "first token ms", "peak GiB", "seconds in all",
    ]  # fmt: skip
    rows = []
    for cost in costs:
        shown = label(cost) + (MODIFIED if cost.decoder_modified else "")
        ratio = "" if cost.ratio is None else f"{cost.ratio:.2f}"
        figures = [
            f"{cost.prompt_positions:.1f}", f"{cost.document_positions:.1f}", ratio, f"{cost.encoder_gflops:.3g}",
            f"{cost.decoder_gflops:.3g}", f"{cost.first_token_ms:.1f}", f"{cost.peak_memory_gib:.2f}", f"{cost.seconds:.1f}",
        ]  # fmt: skip
        told = [*([cost.decoder] if several else []), cost.benchmark, *(_text(cost, name) for name in asked)]
        rows.append([*told, shown, *figures])
    return table(names, rows)


def part_of(row: Part) -> Part:
    """What a row or a cost is about, alone."""
    return Part(
        system=row.system,
        decoder=row.decoder,
        pooling_factor=row.pooling_factor,
        benchmark=row.benchmark,
        version=row.version,
        protocol=row.protocol,
        shots=row.shots,
        seed=row.seed,
    )


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
