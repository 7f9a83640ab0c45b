"""What a report is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from arc_encoder.core.errors import DataError
from arc_encoder.evaluation.reporting.reading.names import Names
from arc_encoder.evaluation.reporting.reading.runs import Run, read_runs
from arc_encoder.evaluation.reporting.reading.summary import Figure, main_metrics, summarise
from arc_encoder.evaluation.runs.results import Part


@dataclass
class Material:
    """Runs, and what follows from them."""

    places: Sequence[Path]
    runs: Sequence[Run]

    @classmethod
    def of(cls, places: Sequence[str | Path], protocol: str | None = None) -> Material:
        """Every evaluation in and below `places`."""
        return cls([Path(place) for place in places], read_runs(places, protocol=protocol))

    @classmethod
    def of_runs(cls, places: Sequence[str | Path], protocol: str | None = None) -> Material:
        """The same; trainings alone, such as those of a sweep, will do as well."""
        folders = [Path(place) for place in places]
        evaluated = any(place.is_file() or any(place.rglob("results.json")) for place in folders)
        trained = all(place.is_dir() and any(place.rglob("events.out.tfevents.*")) for place in folders)
        return cls(folders, []) if trained and not evaluated else cls.of(places, protocol)

    @cached_property
    def names(self) -> Names:
        return Names.of(self.runs)

    @cached_property
    def figures(self) -> list[Figure]:
        return summarise(self.runs)

    @cached_property
    def main(self) -> dict[str, str]:
        """Benchmark → the metric that plots show."""
        return main_metrics(self.figures)

    def shown(self) -> Iterator[Figure]:
        """The figures of the main metrics."""
        return (figure for figure in self.figures if figure.row.metric == self.main[figure.row.benchmark])

    def panels(self) -> dict[str, list[Figure]]:
        """The same by panel of a plot: by benchmark and decoder, and by shots where there are several."""
        groups: dict[str, list[Figure]] = {}
        for figure in self.shown():
            groups.setdefault(figure.panel, []).append(figure)
        return groups


def examples_of(run: Run, part: Part) -> list[dict[str, Any]]:
    """The examples of one part of a run.

    Raises:
        DataError: their file is not there, or is broken, or empty.
    """
    file = run.folder / "examples" / f"{part.slug}.jsonl"
    if not file.is_file():
        raise DataError(f"{file} is not there; the examples are beside results.json unless they were moved")
    try:
        lines = file.read_text(encoding="utf-8").split("\n")  # splitlines() would cut at signs that may occur in texts
        found = [json.loads(line) for line in lines if line.strip()]
    except ValueError as error:
        raise DataError(f"{file} is broken: {error}") from error
    if not found:
        raise DataError(f"{file} is broken: it has no line; evaluate again")
    return found


def by_id(examples: Sequence[dict[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """Examples by their id; several with one id, as files of your own may have them, by their order too."""
    seen: dict[str, int] = {}
    found = {}
    for example in examples:
        name = str(example["id"])
        found[name, seen.get(name, 0)] = example
        seen[name] = seen.get(name, 0) + 1
    return found


def metrics_of(examples: Sequence[Mapping[str, Any]]) -> list[str]:
    """What can be sorted by or compared: the names whose values are numbers in every example."""
    return [name for name in examples[0] if all(_is_number(each.get(name)) for each in examples)]


def weight_of(example: Mapping[str, Any], metric: str) -> float:
    """How much an example counts in the mean of a metric; 0 if it has no value of it."""
    return float(example.get("weights", {}).get(metric, 1.0))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
