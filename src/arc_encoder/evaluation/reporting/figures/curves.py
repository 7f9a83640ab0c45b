"""Learning curves, read from the TensorBoard files of trainings in or below the given folders."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arc_encoder.evaluation.reporting.figures.axes import legend_below, panels
from arc_encoder.evaluation.reporting.reading.material import Material

SMOOTHED = 5  # fewest points of a running mean: batches of different tasks follow one another
TAGS = ("train/loss", "val/loss")
SHARE = "train/surviving_share/"  # and the decoder
TOOK_OFF = "train/took_off_at"
MOST = 24  # lines of a panel
SEED = re.compile(r"(?:^|[/_])seed_\d+(?=/|$)")
Curve = list[tuple[int, float]]


def learning_curves(material: Material) -> Any | None:
    """Panels for the training's loss, the validation's, and the share of the context that survives, by decoder.

    A line for each training but for its seed.

    None where there is no training.
    """
    found = {place: curves for place in trainings(material.places) if (curves := curves_of(place))}
    if not found:
        return None
    every = sorted({tag for curves in found.values() for tag in curves if tag.startswith(SHARE)})
    tags = [tag for tag in (*TAGS, *every) if any(tag in curves for curves in found.values())]
    if not tags:
        return None
    named = _without_seeds(list(found))
    drawing, axes = panels(len(tags), width=5.2, columns=2)
    for axis, tag in zip(axes, tags, strict=True):
        lines: dict[str, list[Curve]] = {}
        for place, curves in found.items():
            if tag in curves:
                curve = curves[tag] if tag.startswith(SHARE) else _smoothed(curves[tag])
                lines.setdefault(named[place], []).append(curve)
        for number, (name, seeds) in enumerate(list(lines.items())[:MOST]):
            steps, values = zip(*_mean(seeds), strict=True)
            text = f"{name} (mean of {len(seeds)} seeds)" if len(seeds) > 1 else name
            axis.plot(steps, values, color=f"C{number % 10}", linestyle=("-", "--", ":")[number // 10 % 3], label=text)
        if len(lines) > MOST:
            axis.set_title(f"the first {MOST} of {len(lines)} trainings; {len(lines) - MOST} are left out", fontsize=9)
        axis.set_xlabel("step")
        axis.set_ylabel(_title(tag))
    legend_below(drawing, axes)
    return drawing


def trainings(places: Sequence[Path]) -> list[Path]:
    """Folders of trainings, each once: those that hold `tensorboard` with event files, links to such included.

    One that a variant links to has the variant's path, which says more than the name of the folder itself.
    """
    found: dict[Path, Path] = {}
    walks = (os.walk(os.path.abspath(place), followlinks=True) for place in places)
    for folder in sorted({Path(name) for walk in walks for name, *_ in walk}):
        if any(folder.glob("events.out.tfevents.*")):
            training = folder.parent if folder.name == "tensorboard" else folder
            known = found.setdefault(training.resolve(), training)  # variants may share one
            if not known.is_symlink() and training.is_symlink():
                found[training.resolve()] = training
    return sorted(found.values())


def curves_of(place: Path) -> dict[str, Curve]:
    """The scalars that are shown: tag → steps and values."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = place / "tensorboard" if (place / "tensorboard").is_dir() else place
    events = EventAccumulator(str(folder), size_guidance={"scalars": 2000})
    events.Reload()
    known = events.Tags()["scalars"]
    shown = [tag for tag in known if tag in (*TAGS, TOOK_OFF) or tag.startswith(SHARE)]
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in shown}


def _title(tag: str) -> str:
    if tag.startswith(SHARE):
        return f"surviving share of the context, {tag.removeprefix(SHARE)}"
    return tag + (", smoothed" if tag == "train/loss" else "") + " (nats/token)"


def _smoothed(curve: Curve) -> Curve:
    """A running mean over a twentieth of the points, so that batches of different tasks do not hide the trend."""
    width = max(SMOOTHED, len(curve) // 20)
    values = [value for _, value in curve]
    return [(step, sum(values[max(0, i - width + 1) : i + 1]) / min(width, i + 1)) for i, (step, _) in enumerate(curve)]


def _mean(curves: Sequence[Curve]) -> Curve:
    """The mean at the steps that all have, or, where they have none in common, at those that any has."""
    every = [dict(curve) for curve in curves]
    steps = {step for each in every for step in each}
    common = {step for step in steps if all(step in each for each in every)} or steps
    own = {step: [each[step] for each in every if step in each] for step in sorted(common)}
    return [(step, sum(values) / len(values)) for step, values in own.items()]


def _without_seeds(places: Sequence[Path]) -> dict[Path, str]:
    """A name for each training, the same for those that differ in `seed_<number>` alone."""
    shared = _shared(list(places))
    names = {place: str(place.relative_to(shared)) if place != shared else place.name for place in places}
    plain = {place: SEED.sub("", name).strip("/") for place, name in names.items()}
    return {place: plain[place] or "training" for place in places}


def _shared(places: list[Path]) -> Path:
    """The deepest folder that holds all of them."""
    shared = places[0]
    for place in places[1:]:
        while shared not in (place, *place.parents):
            shared = shared.parent
    return shared
