"""Rows of results as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

from arc_encoder.evaluation.results import Cost, Part, Row
from arc_encoder.reporting.markdown import table

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


def label(row: Part) -> str:
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
    digits = 3 if "loss" in row.metric else 1
    return f"{row.value:.{digits}f} [{row.ci_low:.{digits}f}, {row.ci_high:.{digits}f}]"


def cost_table(costs: Sequence[Cost]) -> str:
    """What a prompt costs with each system, on average."""
    names = [
        "benchmark", "system", "positions", "of which documents", "ratio", "encoder GFLOPs", "decoder GFLOPs",
        "first token ms", "peak GiB", "seconds in all",
    ]  # fmt: skip
    rows = []
    for cost in costs:
        shown = label(cost) + (" (decoder modified)" if cost.decoder_modified else "")
        ratio = "" if cost.ratio is None else f"{cost.ratio:.2f}"
        figures = [
            f"{cost.prompt_positions:.1f}", f"{cost.document_positions:.1f}", ratio, f"{cost.encoder_gflops:.3g}",
            f"{cost.decoder_gflops:.3g}", f"{cost.first_token_ms:.1f}", f"{cost.peak_memory_gib:.2f}", f"{cost.seconds:.1f}",
        ]  # fmt: skip
        rows.append([cost.benchmark, shown, *figures])
    return table(names, rows)
