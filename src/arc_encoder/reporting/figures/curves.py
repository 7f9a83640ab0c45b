"""Learning curves, read from the TensorBoard files of trainings in or below the given folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arc_encoder.reporting.figures.axes import legend_below, panels
from arc_encoder.reporting.material import Material

TAGS = ("train/loss", "val/loss")
MOST = 24  # curves of a panel
Curve = list[tuple[int, float]]


def learning_curves(material: Material) -> Any | None:
    """A panel for the training's loss and one for the validation's; None where there is no training."""
    found = {place: curves for place in trainings(material.places) if (curves := curves_of(place))}
    if not found:
        return None
    tags = [tag for tag in TAGS if any(tag in curves for curves in found.values())]
    if not tags:
        return None
    shared = _shared(list(found))
    drawing, axes = panels(len(tags), width=5.2, columns=2)
    for axis, tag in zip(axes, tags, strict=True):
        for number, (place, curves) in enumerate(list(found.items())[:MOST]):
            if tag in curves:
                steps, values = zip(*_smoothed(curves[tag]), strict=True)
                name = str(place.relative_to(shared)) if place != shared else place.name
                axis.plot(
                    steps, values, color=f"C{number % 10}", linestyle=("-", "--", ":")[number // 10 % 3], label=name
                )
        axis.set_xlabel("step")
        axis.set_ylabel(tag + (", smoothed" if tag == "train/loss" else "") + " (nats/token)")
    legend_below(drawing, axes)
    return drawing


def trainings(places: Sequence[Path]) -> list[Path]:
    """Folders of trainings, each once: those that hold `tensorboard` with event files, links to such included."""
    found: dict[Path, Path] = {}
    for folder in (Path(name) for place in places for name, *_ in os.walk(place, followlinks=True)):
        if any(folder.glob("events.out.tfevents.*")):
            training = folder.parent if folder.name == "tensorboard" else folder
            found.setdefault(training.resolve(), training)  # variants may share one
    return sorted(found.values())


def curves_of(place: Path) -> dict[str, Curve]:
    """The scalars that are shown: tag → steps and values."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = place / "tensorboard" if (place / "tensorboard").is_dir() else place
    events = EventAccumulator(str(folder), size_guidance={"scalars": 2000})
    events.Reload()
    known = events.Tags()["scalars"]
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in TAGS if tag in known}


def _smoothed(curve: Curve) -> Curve:
    """A running mean over a twentieth of the points, so that batches of different tasks do not hide the trend."""
    width = max(1, len(curve) // 20)
    values = [value for _, value in curve]
    return [(step, sum(values[max(0, i - width + 1) : i + 1]) / min(width, i + 1)) for i, (step, _) in enumerate(curve)]


def _shared(places: list[Path]) -> Path:
    """The deepest folder that holds all of them."""
    shared = places[0]
    for place in places[1:]:
        while shared not in (place, *place.parents):
            shared = shared.parent
    return shared
