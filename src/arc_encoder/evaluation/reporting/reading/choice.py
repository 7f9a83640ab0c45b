"""Choosing parts of runs by system, benchmark, decoder, factor and the like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arc_encoder.core.errors import DataError
from arc_encoder.evaluation.reporting.reading.runs import Run
from arc_encoder.evaluation.runs.results import Row

KEYS = ("system", "benchmark", "decoder", "factor", "shots", "seed", "variant")


def parts_of(runs: Sequence[Run], wanted: Mapping[str, str]) -> list[tuple[Run, Row]]:
    """One row for each part that has the wanted values; values are compared as text.

    Raises:
        DataError: none has them, with what there is.
    """
    every: dict[tuple[str, str], tuple[Run, Row]] = {}
    for run in runs:
        for row in run.rows:
            every.setdefault((str(run.folder), row.slug), (run, row))
    found = [each for each in every.values() if all(described(*each)[key] == value for key, value in wanted.items())]
    if not found:
        known = {key: sorted({described(*each)[key] for each in every.values()} - {""}) for key in KEYS}
        shown = "; ".join(f"{key}: {', '.join(values)}" for key, values in known.items() if values)
        asked = " ".join(f"{key}={value}" for key, value in wanted.items())
        raise DataError(f"no part of these runs has {asked}; there are {shown}")
    return found


def described(run: Run, row: Row) -> dict[str, str]:
    """What tells a part apart, as texts."""
    values = {
        "system": row.system,
        "benchmark": row.benchmark,
        "decoder": row.decoder,
        "factor": row.pooling_factor,
        "shots": row.shots,
        "seed": run.conditions.get("seed", row.seed),
        "variant": run.variant,
    }
    return {key: "" if value is None else str(value) for key, value in values.items()}


def only_one(found: list[tuple[Run, Row]], what: str) -> tuple[Run, Row]:
    """The single part.

    Raises:
        DataError: there are several, with what tells them apart.
    """
    if len(found) == 1:
        return found[0]
    tables = [described(*each) for each in found]
    differing = {key: sorted({each[key] for each in tables}) for key in KEYS}
    shown = "; ".join(f"{key}={'|'.join(values)}" for key, values in differing.items() if len(values) > 1)
    raise DataError(f"{what}: {len(found)} parts fit; choose one of them with {shown or 'a single folder'}")
