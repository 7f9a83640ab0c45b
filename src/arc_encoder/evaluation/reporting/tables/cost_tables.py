"""Costs of runs → a table."""

from __future__ import annotations

from collections.abc import Sequence

from arc_encoder.evaluation.reporting.reading.names import Names
from arc_encoder.evaluation.reporting.reading.runs import Run
from arc_encoder.evaluation.reporting.tables.result_tables import MODIFIED
from arc_encoder.evaluation.reporting.tables.table_files import Table
from arc_encoder.evaluation.runs.results import Cost

HEADER = (
    "system", "decoder", "benchmark", "positions", "of which documents", "ratio", "bytes stored", "encoder GFLOPs",
    "decoder GFLOPs", "first token ms", "peak GiB", "seconds in all",
)  # fmt: skip
DIGITS = (1, 1, 2, 0, 3, 3, 1, 2, 1)
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
            groups.setdefault((system, cost.decoder, names.benchmark(cost)), []).append(_figures(cost))
    if not groups:
        return None
    rows = []
    for key, found in groups.items():
        means = [sum(column) / len(column) for column in zip(*found, strict=True)]
        rows.append([*key, *("" if mean != mean else f"{mean:.{d}f}" for mean, d in zip(means, DIGITS, strict=True))])
    return Table("costs", "Costs of a prompt", HEADER, rows, NOTE)


def _figures(cost: Cost) -> tuple[float, ...]:
    return (
        cost.prompt_positions,
        cost.document_positions,
        cost.ratio or float("nan"),
        cost.stored_bytes,
        cost.encoder_gflops,
        cost.decoder_gflops,
        cost.first_token_ms,
        cost.peak_memory_gib,
        cost.seconds,
    )
