"""Trainings without evaluations, such as those of a sweep: what each was told, and where its losses ended."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from arc_encoder.evaluation.reporting.figures.curves import SHARE, TOOK_OFF, curves_of, trainings
from arc_encoder.evaluation.reporting.tables.table_files import Table

NOTE = (
    "Words that all trainings were given are left out. The training's loss is the mean over the last twentieth of its "
    "points; a training without a published compressor was not finished. It took off at the step from which on the decoder "
    "reads its vectors; the surviving share is the last one, the smallest of its decoders."
)


def training_table(places: Sequence[Path]) -> Table | None:
    """One row a training in or below `places`, the lowest validation loss first; None where there is none."""
    found = [(place, curves) for place in trainings(places) if (curves := curves_of(place))]
    if not found:
        return None
    words = {place: _words(place) for place, _ in found}
    common = set.intersection(*map(set, words.values())) if len(found) > 1 else set()
    shared = os.path.commonpath([place.parent for place, _ in found])
    rows = []
    for place, curves in found:
        train, validation = curves.get("train/loss", []), curves.get("val/loss", [])
        took = curves.get(TOOK_OFF, [])
        shares = [curve[-1][1] for tag, curve in curves.items() if tag.startswith(SHARE)]
        steps = max((step for curve in curves.values() for step, _ in curve), default=0)
        changed = " ".join(word for word in words[place] if word not in common)
        last = [value for _, value in train[-max(1, len(train) // 20) :]]
        ended = validation[-1][1] if validation else float("inf")
        figures = [f"{sum(last) / len(last):.3f}" if last else "", f"{ended:.3f}" if validation else ""]
        figures += [f"{took[-1][1]:.0f}" if took else ("never" if shares else "")]
        figures += [f"{min(shares):.2f}" if shares else ""]
        state = "yes" if (place / "compressor").is_dir() else "no"
        rows.append((ended, str(place), [os.path.relpath(place, shared), changed, str(steps), *figures, state]))
    header = [
        "training",
        "overrides",
        "steps",
        "train loss (nats/token)",
        "val loss (nats/token)",
        "took off at",
        "surviving share",
        "finished",
    ]
    return Table("trainings", "Trainings", header, [row for *_, row in sorted(rows)], NOTE)


def _words(place: Path) -> list[str]:
    """The overrides that a training was started with, as Hydra wrote them down; none if it did not."""
    file = place / "hydra" / "overrides.yaml"
    content: Any = OmegaConf.to_container(OmegaConf.load(file)) if file.is_file() else None
    return [str(word) for word in content] if isinstance(content, list) else []
