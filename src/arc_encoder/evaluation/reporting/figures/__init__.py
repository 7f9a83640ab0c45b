"""Plots of a report, one kind a file; each is left out where there is nothing to show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arc_encoder.evaluation.reporting.figures.cost import cost_against_length
from arc_encoder.evaluation.reporting.figures.curves import learning_curves
from arc_encoder.evaluation.reporting.figures.heat_maps import factor_pairs, needle_heat_map
from arc_encoder.evaluation.reporting.figures.scores import score_against_bytes, score_against_factor
from arc_encoder.evaluation.reporting.figures.variants import variants_compared
from arc_encoder.evaluation.reporting.reading.material import Material

# name of the files → (title, drawing)
PLOTS: dict[str, tuple[str, Callable[[Material], Any | None]]] = {
    "variants": ("Variants", variants_compared),
    "score_against_factor": ("Score against pooling factor", score_against_factor),
    "score_against_bytes": ("Score against bytes stored", score_against_bytes),
    "cost_against_length": ("Cost against context length", cost_against_length),
    "factor_pairs": ("Pooling factor of pretraining and of fine-tuning", factor_pairs),
    "needle": ("Recall by length and depth", needle_heat_map),
    "learning_curves": ("Learning curves", learning_curves),
}

__all__ = ["PLOTS"]
