"""Figures of several seeds put together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arc_encoder.core.errors import DataError
from arc_encoder.evaluation.reporting.reading.names import Names
from arc_encoder.evaluation.reporting.reading.runs import Run
from arc_encoder.evaluation.reporting.tables.result_tables import HIDDEN, MODIFIED, label, part_of
from arc_encoder.evaluation.runs.results import Cost, Row

LOSSES = {"loss", "answer_token_loss", "perplexity"}  # lower is better


@dataclass(frozen=True)
class Figure:
    """One metric of one system on one benchmark, over seeds.

    Attributes:
        value: mean over seeds.
        low, high: one standard deviation over seeds to both sides; of a single one its bootstrap interval of 95 %.
        seeds: how many runs it is the mean of.
        values: of each of them.
        document_positions: mean decoder positions that documents take.
        stored_bytes: bytes of a prompt's documents as the system would store them, None where it was not measured.
        modified: whether the system changes the decoder, where costs say so.
        conditions: of the runs, without their seed.
        name: what tells it apart beside benchmark and decoder: the variant, or the system.
        line: the same without the factor.
        panel: benchmark and decoder.
        row: the first of the rows.
    """

    value: float
    low: float
    high: float
    seeds: int
    values: tuple[float, ...]
    document_positions: float
    stored_bytes: float | None
    modified: bool
    conditions: Mapping[str, Any]
    name: str
    line: str
    panel: str
    row: Row

    @property
    def shown(self) -> str:
        """The name as plots have it: systems that change the decoder are marked."""
        return self.name + MODIFIED * self.modified

    @property
    def shown_line(self) -> str:
        """The same of the line without factor."""
        return self.line + MODIFIED * self.modified

    @property
    def variant(self) -> str:
        return str(self.conditions.get("variant", ""))

    @property
    def text(self) -> str:
        """The value with its spread."""
        digits = 3 if self.row.metric in LOSSES else 1
        if self.seeds == 1:
            return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"
        return f"{self.value:.{digits}f} ± {self.high - self.value:.{digits}f}"


def summarise(runs: Sequence[Run]) -> list[Figure]:
    """One figure for each variant, decoder, benchmark, number of shots, system, factor and metric.

    Raises:
        DataError: two runs are about the same and have the same seed, so that they are no seeds of one thing.
    """
    groups: dict[tuple[Any, ...], list[tuple[Run, Row]]] = {}
    for run in runs:
        for row in run.rows:
            if row.metric in HIDDEN:
                continue
            conditions = tuple(sorted((key, str(value)) for key, value in run.conditions.items() if key != "seed"))
            key = (conditions, row.decoder, row.benchmark, row.shots, row.system, row.pooling_factor, row.metric)
            groups.setdefault(key, []).append((run, row))
    names = Names.of(runs)
    for group in groups.values():
        _refuse_repeated(group)
        _refuse_other_numbers(group)
    return [_figure(group, names) for group in groups.values()]


def _refuse_repeated(group: Sequence[tuple[Run, Row]]) -> None:
    seen: dict[tuple[str, int], Run] = {}
    for run, row in group:
        first = seen.setdefault((str(run.conditions.get("seed")), row.seed), run)
        if first is not run:
            shown = ", ".join(f"{key}: {value}" for key, value in run.conditions.items()) or "none"
            raise DataError(
                f"{first.folder} and {run.folder} both have {label(row)} on {row.benchmark} with the same seed and the same "
                f"conditions ({shown}), and would be averaged as if they were two seeds. Tell them apart by evaluating "
                "each with conditions={variant: <a name>}, or report one of the folders"
            )


def _refuse_other_numbers(group: Sequence[tuple[Run, Row]]) -> None:
    """Runs that were asked other numbers of questions are no seeds of one thing."""
    asked = {asked_in(run, row): run for run, row in group}
    if len(asked) > 1:
        row = group[0][1]
        shown = ", ".join(f"{count} in {run.folder}" for count, run in sorted(asked.items(), key=lambda each: each[0]))
        raise DataError(
            f"{label(row)} was asked different numbers of examples of {row.benchmark}, and such runs are not averaged: "
            f"{shown}. Report them apart, or evaluate them alike"
        )


def asked_in(run: Run, row: Row) -> int:
    """How many examples the part of a row asked; some metrics are about fewer of them."""
    return max(each.examples for each in run.rows if part_of(each) == part_of(row))


def _figure(group: Sequence[tuple[Run, Row]], names: Names) -> Figure:
    run, row = group[0]
    values = [each.value for _, each in group]
    mean = sum(values) / len(values)
    if len(values) == 1:
        low, high = row.ci_low, row.ci_high
    else:
        spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
        low, high = mean - spread, mean + spread
    costs = [cost for each, part in group for cost in each.costs if same_part(cost, part)]
    return Figure(
        value=mean,
        low=low,
        high=high,
        seeds=len(values),
        values=tuple(values),
        document_positions=sum(each.document_positions for _, each in group) / len(group),
        stored_bytes=sum(cost.stored_bytes for cost in costs) / len(costs) if costs else None,
        modified=any(cost.decoder_modified for cost in costs) or any(each.decoder_modified for _, each in group),
        conditions={key: value for key, value in run.conditions.items() if key != "seed"},
        name=names.system(run, row),
        line=names.line(run, row),
        panel=names.panel(row),
        row=row,
    )


def same_part(cost: Cost, row: Row) -> bool:
    """Whether a cost is about what a row is about."""
    names = ("system", "decoder", "pooling_factor", "benchmark", "shots", "seed")
    return all(getattr(cost, name) == getattr(row, name) for name in names)


def main_metrics(figures: Iterable[Figure]) -> dict[str, str]:
    """Benchmark → its first metric, which plots show."""
    found: dict[str, str] = {}
    for figure in figures:
        found.setdefault(figure.row.benchmark, figure.row.metric)
    return found
