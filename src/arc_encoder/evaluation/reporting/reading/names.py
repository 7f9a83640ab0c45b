"""Names of lines in tables and plots, as short as they can be without two things having the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arc_encoder.evaluation.reporting.reading.runs import Run
from arc_encoder.evaluation.reporting.tables.result_tables import label
from arc_encoder.evaluation.runs.results import Part

BARE = ("", "reference")  # variants that a system's own name stands for


@dataclass(frozen=True)
class Names:
    """What runs have more than one of, and so has to be said.

    Attributes:
        fronts: folder of a run → what its names begin with: the ablation and other conditions.
        factors: front, variant and system of those that were evaluated at several factors.
        shots: benchmarks that were asked with several numbers of answered examples.
        decoders: whether there are several.
    """

    fronts: Mapping[Path, str]
    factors: frozenset[tuple[str, str, str]]
    shots: frozenset[str]
    decoders: bool

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Names:
        """The names of `runs`."""
        fronts = _fronts(runs)
        parts: list[tuple[Run, Part]] = [(run, row) for run in runs for row in run.rows]
        factors = _several(parts, lambda run, row: (fronts[run.folder], run.variant, row.system), "pooling_factor")
        shots = _several(parts, lambda run, row: row.benchmark, "shots")
        return cls(fronts, factors, shots, len({row.decoder for _, row in parts}) > 1)

    def system(self, run: Run, part: Part) -> str:
        """What a part is about: the variant, or the system with its factor."""
        front = self.fronts[run.folder]
        if run.variant in BARE:
            own = label(part)
        elif part.system in ("arc", run.variant):
            several = (front, run.variant, part.system) in self.factors
            own = f"{run.variant} ×{part.pooling_factor}" if several else run.variant
        else:
            own = f"{run.variant}: {label(part)}"
        return "/".join(filter(None, [front, own]))

    def line(self, run: Run, part: Part) -> str:
        """As `system`, without the factor: the name of a line along which the factor changes."""
        own = part.system if run.variant in BARE else f"{run.variant}: {part.system}"
        return "/".join(filter(None, [self.fronts[run.folder], own]))

    def benchmark(self, part: Part) -> str:
        """Name of the benchmark, with its number of shots where it was asked with several."""
        return f"{part.benchmark} ({part.shots} shots)" if part.benchmark in self.shots else part.benchmark

    def panel(self, part: Part) -> str:
        """Title of a panel: what must not be mixed in it."""
        return f"{self.benchmark(part)}, {part.decoder}"


def _fronts(runs: Sequence[Run]) -> dict[Path, str]:
    conditions = {
        run.folder: {key: str(value) for key, value in run.conditions.items() if key not in ("variant", "seed")}
        for run in runs
    }
    ablations = {each["ablation"] for each in conditions.values() if "ablation" in each}
    alike: dict[tuple[str, str], list[Path]] = {}
    for run in runs:
        ablation = conditions[run.folder].get("ablation", "") if len(ablations) > 1 else ""
        alike.setdefault((ablation, "" if run.variant in BARE else run.variant), []).append(run.folder)
    fronts = {}
    for (ablation, _), folders in alike.items():
        keys = sorted({key for folder in folders for key in conditions[folder]})
        differing = [key for key in keys if len({conditions[folder].get(key) for folder in folders}) > 1]
        for folder in folders:
            more = [conditions[folder][key] if key == "ablation" else f"{key}={conditions[folder][key]}"
                    for key in differing if key in conditions[folder]]  # fmt: skip
            fronts[folder] = ", ".join(filter(None, [ablation, *more]))
    return fronts


def _several(parts: Iterable[tuple[Run, Part]], key: Callable[[Run, Part], Any], what: str) -> frozenset[Any]:
    """Keys whose parts have more than one value of `what`."""
    found: dict[Any, set[Any]] = {}
    for run, part in parts:
        found.setdefault(key(run, part), set()).add(getattr(part, what))
    return frozenset(each for each, values in found.items() if len(values) > 1)
