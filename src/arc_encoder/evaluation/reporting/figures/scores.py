"""Score against pooling factor, where systems without one are lines across, and against the bytes that are stored."""

from __future__ import annotations

from typing import Any

from arc_encoder.evaluation.reporting.figures.axes import dashes, legend_below, look, panels, plain_log, title_of
from arc_encoder.evaluation.reporting.reading.material import Material
from arc_encoder.evaluation.reporting.reading.published import published_score
from arc_encoder.evaluation.reporting.reading.summary import Figure


def score_against_factor(material: Material) -> Any | None:
    """A panel for each benchmark and decoder; None unless a system was evaluated at two factors."""
    groups = {panel: found for panel, found in material.panels().items() if _several(found)}
    if not groups:
        return None
    lines = list(dict.fromkeys(figure.shown_line for found in groups.values() for figure in found))
    drawing, axes = panels(len(groups))
    for axis, (panel, found) in zip(axes, groups.items(), strict=True):
        factors = sorted({figure.row.pooling_factor for figure in found if figure.row.pooling_factor})
        for number, line in enumerate(lines):
            own = sorted((f for f in found if f.shown_line == line), key=lambda f: f.row.pooling_factor or 0)
            if not own:
                continue
            if own[0].row.pooling_factor is None:
                axis.axhline(own[0].value, label=line, **dashes(number))
                continue
            errors = [[max(0.0, f.value - f.low) for f in own], [max(0.0, f.high - f.value) for f in own]]
            places = [f.row.pooling_factor for f in own]
            axis.errorbar(places, [f.value for f in own], yerr=errors, capsize=3, label=line, **look(number))
            known = [(f.row.pooling_factor, score) for f in own if (score := published_score(f)) is not None]
            if known:
                axis.plot(
                    *zip(*known, strict=True), linestyle=":", label=f"{line} (paper)", **{**look(number), "marker": "x"}
                )
        axis.set_xscale("log", base=2)
        axis.set_xticks(factors, [str(factor) for factor in factors])
        axis.minorticks_off()
        axis.set_xlabel("pooling factor")
        axis.set_ylabel(title_of(found[0].row.metric))
        axis.set_title(panel)
    legend_below(drawing, axes)
    return drawing


def _several(found: list[Figure]) -> bool:
    factors: dict[str, set[int]] = {}
    for figure in found:
        if figure.row.pooling_factor is not None:
            factors.setdefault(figure.line, set()).add(figure.row.pooling_factor)
    return any(len(each) > 1 for each in factors.values())


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
