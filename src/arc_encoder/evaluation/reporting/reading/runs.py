"""Finished runs, read from their files; what cannot be put side by side is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from arc_encoder.core.errors import DataError
from arc_encoder.evaluation.runs.results import Cost, Part, Row


@dataclass(frozen=True)
class Run:
    """One evaluation.

    Attributes:
        folder: where it is.
        conditions: what tells it apart: ablation, variant, seed, ….
        rows: its figures.
        costs: what they cost.
    """

    folder: Path
    conditions: Mapping[str, Any]
    rows: tuple[Row, ...]
    costs: tuple[Cost, ...]

    @property
    def variant(self) -> str:
        """Name of the variant of an ablation that this is about; empty outside ablations."""
        return str(self.conditions.get("variant", ""))


def read_runs(places: Sequence[str | Path], *, protocol: str | None = None) -> list[Run]:
    """Every evaluation in or below `places`.

    Raises:
        DataError: nothing there, a file that is no such file, an evaluation that still runs, or figures that
            cannot be compared.
    """
    files: list[Path] = []
    for place in map(Path, places):
        found = [place] if place.is_file() else sorted(place.rglob("results.json")) if place.is_dir() else []
        if not found:
            why = "is not there" if not place.exists() else "holds no results.json"
            raise DataError(f"{place} {why}; give folders of finished evaluations, such as logs/eval/<date_time>")
        files += found
    runs = [_read(file, protocol) for file in dict.fromkeys(file.resolve() for file in files)]
    runs = [run for run in runs if run.rows]
    if not runs:
        what = "figure" if protocol is None else f"figure of protocol={protocol}"
        raise DataError(f"no {what} in {', '.join(map(str, places))}; give folders of evaluations that have some")
    check_comparable(runs)
    return runs


def check_comparable(runs: Iterable[Run]) -> None:
    """Raise `DataError` if a benchmark was asked in several versions, from several files, or questions by several protocols.

    What has no answered examples, such as a loss on what follows, is the same in all protocols.
    """
    seen: dict[str, dict[tuple[int, str], Path]] = {}
    files: dict[str, dict[str, Path]] = {}
    protocols: dict[str, tuple[str, Path]] = {}
    for run in runs:
        for row in run.rows:
            seen.setdefault(row.benchmark, {}).setdefault((row.version, row.protocol), run.folder)
            if row.asked_from:
                files.setdefault(row.benchmark, {}).setdefault(row.asked_from, run.folder)
            if row.shots is not None:
                protocols.setdefault(row.protocol, (row.benchmark, run.folder))
    for benchmark, ways in seen.items():
        if len(ways) > 1:
            shown = "; ".join(
                f"version {version}, protocol {protocol} in {folder}" for (version, protocol), folder in ways.items()
            )
            raise DataError(
                f"benchmark {benchmark} was asked in different ways, and such figures are not comparable: {shown}. "
                "Leave runs out, or choose one with `protocol`"
            )
    for benchmark, folders in files.items():
        if len(folders) > 1:
            shown = "; ".join(f"{name} in {folder}" for name, folder in folders.items())
            raise DataError(
                f"benchmark {benchmark} was asked from different files, and such figures are not comparable: {shown}. "
                "Leave runs out, or ask files of your own under their own names, by their path alone"
            )
    if len(protocols) > 1:
        shown = "; ".join(f"{name} asked {what} in {folder}" for name, (what, folder) in protocols.items())
        raise DataError(
            f"figures of several protocols are not put side by side: {shown}. Choose one with `protocol`, or leave runs out"
        )


def _read(file: Path, protocol: str | None) -> Run:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        rows = [Row(**_known(Row, row)) for row in content["rows"]]
        costs = [Cost(**_known(Cost, cost)) for cost in content.get("costs", [])]
        conditions = dict(content.get("conditions") or {})
        for each in (*rows, *costs):
            _refuse_other_kinds(each)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file} is no results file of this project, or one of an older version ({error!r}); evaluate again"
        ) from error
    status = content.get("status", "finished")
    if status != "finished":
        raise DataError(
            f"{file} says {status!r}: the evaluation still runs, or was stopped; let it finish, or resume it",
            advice="resume-evaluation",
            run=file.parent,
        )
    if protocol is not None:
        rows = [row for row in rows if row.protocol == protocol or row.shots is None]
        costs = [cost for cost in costs if cost.protocol == protocol or cost.shots is None]
    return Run(file.parent, conditions, tuple(rows), tuple(costs))


def _refuse_other_kinds(each: Part) -> None:
    """Raise `TypeError` where a number is something else, or a text is."""
    for field in fields(each):
        value, kind = getattr(each, field.name), str(field.type)
        wanted = {"float": int | float, "int": int, "str": str, "bool": bool, "int | None": int | None}[kind]
        if not isinstance(value, wanted) or (isinstance(value, bool) and kind != "bool"):
            raise TypeError(f"{field.name} is {value!r}, not {kind}")


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `kind`; those with a default may be missing, as in files of older versions."""
    return {
        field.name: values[field.name] for field in fields(kind) if field.name in values or field.default is MISSING
    }
