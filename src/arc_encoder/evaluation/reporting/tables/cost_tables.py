"""What runs cost, and how much of what the text gives is left when it is compressed."""

from __future__ import annotations

from collections.abc import Sequence

from arc_encoder.evaluation.reporting.reading.names import Names
from arc_encoder.evaluation.reporting.reading.runs import Run
from arc_encoder.evaluation.reporting.reading.summary import same_part
from arc_encoder.evaluation.reporting.tables.result_tables import COSTS, MODIFIED
from arc_encoder.evaluation.reporting.tables.table_files import Table
from arc_encoder.evaluation.runs.results import Row

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


EDGES = ("closed_book", "open_book")  # without the text, and with all of it
TEXTS = (*EDGES, "truncate", "truncate_tail", "truncate_both", "truncate_window", "best_sentences", "llmlingua2")
SHARE_NOTE = (
    "(loss without the text − loss with it compressed) ÷ (loss without − loss with the whole text): the part of the "
    "context's benefit that compression keeps; 1 is as good as the text. Systems that shorten the text are left out."
)


def share_table(runs: Sequence[Run]) -> Table | None:
    """A line for each system that compresses; the losses without and with the text are taken from all runs."""
    names = Names.of(runs)
    plain = [(run, row) for run in runs for row in run.rows if row.metric == "loss" and row.system in EDGES]
    found: dict[tuple[str, str, str], list[float]] = {}
    for run in runs:
        for row in run.rows:
            if row.metric != "loss" or row.system in TEXTS:
                continue
            none, full = (_nearest(plain, system, run, row) for system in EDGES)
            if none is None or full is None or none.value == full.value:
                continue
            changed = row.decoder_modified or any(c.decoder_modified and same_part(c, row) for c in run.costs)
            key = (names.system(run, row) + MODIFIED * changed, row.decoder, names.benchmark(row))
            found.setdefault(key, []).append((none.value - row.value) / (none.value - full.value))
    if not found:
        return None
    rows = [[*key, f"{sum(values) / len(values):.3f}", str(len(values))] for key, values in found.items()]
    return Table(
        "surviving_share", "Surviving share", ["system", "decoder", "benchmark", "share", "runs"], rows, SHARE_NOTE
    )


def _nearest(plain: Sequence[tuple[Run, Row]], system: str, run: Run, row: Row) -> Row | None:
    """The row of `system` on the same benchmark; of several, one of the same run, ablation and seed."""
    same = [
        (other_run, other)
        for other_run, other in plain
        if (other.system, other.benchmark, other.decoder, other.shots)
        == (system, row.benchmark, row.decoder, row.shots)
    ]
    same.sort(
        key=lambda each: (
            each[0] is not run,
            each[0].conditions.get("ablation") != run.conditions.get("ablation"),
            each[0].conditions.get("scale") != run.conditions.get("scale"),
            each[1].seed != row.seed,
        )
    )
    return same[0][1] if same else None
