"""The variants of an ablation side by side, each seed a point."""

from __future__ import annotations

from typing import Any

from arc_encoder.evaluation.reporting.figures.axes import dashes, legend_below, panels, title_of
from arc_encoder.evaluation.reporting.reading.material import Material


def variants_compared(material: Material) -> Any | None:
    """A panel for each benchmark and decoder; None where runs are no variants of anything."""
    named = {panel: [figure for figure in found if figure.variant] for panel, found in material.panels().items()}
    groups = {panel: found for panel, found in named.items() if found}
    if not groups or all(figure.variant == "reference" for found in groups.values() for figure in found):
        return None
    longest = max(len(found) for found in groups.values())
    drawing, axes = panels(len(groups), height=1.2 + 0.34 * longest)
    for axis, (panel, found) in zip(axes, groups.items(), strict=True):
        own = [figure for figure in found if figure.variant != "reference"]
        for place, figure in enumerate(own):
            axis.barh(place, figure.value, color="C0", alpha=0.35)
            axis.plot(figure.values, [place] * len(figure.values), "o", color="C0", markersize=5)
        for number, figure in enumerate(figure for figure in found if figure.variant == "reference"):
            axis.axvline(figure.value, label=figure.shown, **dashes(number + 1))
        axis.set_yticks(range(len(own)), [figure.shown for figure in own])
        axis.invert_yaxis()
        axis.set_xlabel(title_of(found[0].row.metric))
        axis.set_title(panel)
    legend_below(drawing, axes)
    return drawing
