"""Costs of runs → a table."""

from __future__ import annotations

from collections.abc import Sequence

from arc_encoder.evaluation.reporting.reading.names import Names
from arc_encoder.evaluation.reporting.reading.runs import Run
from arc_encoder.evaluation.reporting.tables.result_tables import COSTS, MODIFIED
from arc_encoder.evaluation.reporting.tables.table_files import Table

HEADER = ("system", "decoder", "benchmark", *COSTS)
NOTE = (
    "Means over prompts. Ratio: tokens of the decoder that the documents have, for each position that they take, task "
    "tokens counted. Bytes stored: the prompt's documents as text, or as vectors of 16 bits a number."
)


def cost_table_of(runs: Sequence[Run]) -> Table | None:
    """What a prompt costs, mean over seeds; None where nothing was measured."""
    names = Names.of(runs)
    groups: dict[tuple[str, str, str], list[tuple[float, ...]]] = {}
    for run in runs:
        for cost in run.costs:
            system = names.system(run, cost) + (MODIFIED if cost.decoder_modified else "")
            groups.setdefault((system, cost.decoder, names.benchmark(cost)), []).append(
                tuple(
                    float("nan") if (value := getattr(cost, field)) is None else value for field, _, _ in COSTS.values()
                )
            )
    if not groups:
        return None
    rows, digits = [], [decimals for _, _, decimals in COSTS.values()]
    for key, found in groups.items():
        means = [sum(column) / len(column) for column in zip(*found, strict=True)]
        rows.append([*key, *("" if mean != mean else f"{mean:.{d}f}" for mean, d in zip(means, digits, strict=True))])
    return Table("costs", "Costs of a prompt", HEADER, rows, NOTE)
