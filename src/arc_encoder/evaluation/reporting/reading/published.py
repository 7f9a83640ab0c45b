"""The paper's figures, to compare with ours where there is one (Pilchen et al., 2025, Tables 1–8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from arc_encoder.evaluation.reporting.reading.summary import Figure

FILE = Path(__file__).with_name("published.yaml")
FLORES = ("flores_da", "flores_de", "flores_fr", "flores_es")  # the paper gives their mean alone, as `flores`
Scores = Mapping[str, float]


@cache
def published() -> dict[str, Any]:
    """Everything in published.yaml."""
    content: Any = OmegaConf.to_container(OmegaConf.load(FILE))
    return dict(content)


def published_score(figure: Figure) -> float | None:
    """The paper's figure for the same decoder, system, factor, benchmark, metric and number of shots."""
    return _scores(figure).get(figure.row.benchmark) if _measured_alike(figure) else None


def published_mean(figures: Sequence[Figure], what: str) -> float | None:
    """The paper's mean over the same benchmarks as `figures`, which are those of one line."""
    names = ["flores"] if what == "flores" else published()["averaged"]
    wanted = [each for name in names for each in (FLORES if name == "flores" else (name,))]
    same = sorted(wanted) == sorted(figure.row.benchmark for figure in figures)
    return _scores(figures[0]).get(what) if same and all(map(_measured_alike, figures)) else None


def published_variant(figure: Figure) -> float | None:
    """The paper's average score for the same variant of the same ablation."""
    ablation = str(figure.conditions.get("ablation"))
    values = dict(published()["ablations"].get(ablation, {}))
    value = values.get(figure.variant)
    for condition, scores in published()["conditions"].get(ablation, {}).items():
        by_text = {str(key): score for key, score in scores.items()}
        value = by_text.get(str(figure.conditions.get(condition)), value)
    return None if value is None else float(value)


def _measured_alike(figure: Figure) -> bool:
    row = figure.row
    how = published()["measured"].get("flores" if row.benchmark in FLORES else row.benchmark)
    return how is not None and (how["metric"], how["shots"]) == (row.metric, row.shots)


def _scores(figure: Figure) -> Scores:
    """The paper's line for a decoder, system and factor; empty where it has none, and for variants of the method."""
    row = figure.row
    if figure.variant not in ("", "reference", row.system):
        return {}
    for entry in published()["main"]:
        same = entry["decoder"] == row.decoder and entry["system"] == row.system
        if (
            same
            and entry.get("factor") in (None, row.pooling_factor)
            and entry.get("shared") in (None, row.shared_encoder)
        ):
            return {name: float(score) for name, score in entry["scores"].items()}
    return {}
