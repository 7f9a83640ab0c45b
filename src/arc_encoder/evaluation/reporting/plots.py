"""Plots of results, as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from arc_encoder.evaluation.reporting.tables.result_tables import TITLES, label
from arc_encoder.evaluation.runs.results import Row


def plot_scores(rows: Sequence[Row], path: Path, *, metric: str = "exact_match") -> Path:
    """One panel a benchmark: score with its interval against the positions that documents take."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    chosen = [row for row in rows if row.metric == metric]
    benchmarks = list(dict.fromkeys(row.benchmark for row in chosen))
    figure, axes = plt.subplots(1, len(benchmarks), figsize=(4.6 * len(benchmarks), 3.6), squeeze=False, sharey=True)
    systems = list(dict.fromkeys(row.system for row in chosen))
    for axis, benchmark in zip(axes[0], benchmarks, strict=True):
        shown = [row for row in chosen if row.benchmark == benchmark]
        widest = max(1.0, *(row.document_positions for row in shown))
        for row in shown:
            errors = [[max(0.0, row.value - row.ci_low)], [max(0.0, row.ci_high - row.value)]]
            colour = f"C{systems.index(row.system)}"
            axis.errorbar(row.document_positions, row.value, yerr=errors, fmt="o", color=colour, capsize=3)
            left = row.document_positions > 0.6 * widest  # so that the label stays in the frame
            axis.annotate(
                label(row),
                (row.document_positions, row.value),
                textcoords="offset points",
                xytext=(-6 if left else 6, 5),
                horizontalalignment="right" if left else "left",
                color=colour,
            )
        axis.set_title(benchmark)
        axis.set_xlabel("decoder positions that the documents take")
        axis.set_xlim(-0.06 * widest, 1.1 * widest)
        axis.margins(y=0.12)
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel(TITLES.get(metric, metric))
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path
