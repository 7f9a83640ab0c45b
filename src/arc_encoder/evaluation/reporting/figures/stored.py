"""Score against the bytes that the documents of a prompt take when they are stored."""

from __future__ import annotations

from typing import Any

from arc_encoder.evaluation.reporting.figures.axes import legend_below, look, panels, plain_log, title_of
from arc_encoder.evaluation.reporting.reading.material import Material


def score_against_bytes(material: Material) -> Any | None:
    """A panel for each benchmark and decoder; None where costs were not measured."""
    measured = {
        panel: [figure for figure in found if figure.stored_bytes] for panel, found in material.panels().items()
    }
    groups = {panel: found for panel, found in measured.items() if len(found) > 1}
    if not groups:
        return None
    names = list(dict.fromkeys(figure.shown for found in groups.values() for figure in found))
    drawing, axes = panels(len(groups))
    for axis, (panel, found) in zip(axes, groups.items(), strict=True):
        for figure in found:
            number = names.index(figure.shown)
            errors = [[max(0.0, figure.value - figure.low)], [max(0.0, figure.high - figure.value)]]
            axis.errorbar(
                (figure.stored_bytes or 0) / 1024,
                figure.value,
                yerr=errors,
                linestyle="none",
                capsize=3,
                label=figure.shown,
                **look(number),
            )
        axis.set_xscale("log")
        plain_log(axis.xaxis)
        axis.set_xlabel("KiB stored for a prompt's documents")
        axis.set_ylabel(title_of(found[0].row.metric))
        axis.set_title(panel)
    legend_below(drawing, axes)
    return drawing
