"""The paper's figures, to stand beside ours where there is one (Pilchen et al., 2025, Tables 1–8)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from arc_encoder.reporting.summary import Figure

FILE = Path(__file__).with_name("published.yaml")
SCORED = ("exact_match", "f1", "rouge_l", "bleu")  # the first that a benchmark has is the published one


@cache
def published() -> dict[str, Any]:
    """Everything in published.yaml."""
    content: Any = OmegaConf.to_container(OmegaConf.load(FILE))
    return dict(content)


def published_score(figure: Figure) -> float | None:
    """The paper's figure for the same decoder, system, factor and benchmark."""
    row = figure.row
    for entry in published()["main"]:
        same = entry["decoder"] == row.decoder and entry["system"] == row.system
        if same and entry.get("factor") in (None, row.pooling_factor):
            value = entry["scores"].get(row.benchmark)
            return None if value is None else float(value)
    return None


def published_variant(figure: Figure) -> float | None:
    """The paper's average score for the same variant of the same ablation."""
    of_ablation = published()["ablations"].get(str(figure.conditions.get("ablation")), {})
    value = of_ablation.get(figure.variant)
    return None if value is None else float(value)
