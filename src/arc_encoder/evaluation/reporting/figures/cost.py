"""What a prompt costs, against the length of its documents."""

from __future__ import annotations

from typing import Any

from arc_encoder.evaluation.reporting.figures.axes import legend_below, look, panels, plain_log
from arc_encoder.evaluation.reporting.reading.material import Material
from arc_encoder.evaluation.reporting.reading.names import Names
from arc_encoder.evaluation.reporting.reading.runs import Run
from arc_encoder.evaluation.reporting.tables.result_tables import MODIFIED
from arc_encoder.evaluation.runs.results import Cost

SHOWN = {"operations until the first token (GFLOPs)": "gflops", "first token (ms)": "first_token_ms"}


def cost_against_length(material: Material) -> Any | None:
    """Operations and time until the first token; None unless documents of two lengths were measured.

    A point is the mean over a benchmark's prompts; those of one benchmark with more or fewer answered examples are
    joined to a line.
    """
    lines: dict[str, list[Cost]] = {}
    for run in material.runs:
        for cost in run.costs:
            lines.setdefault(_line(material.names, run, cost), []).append(cost)
    if len({round(cost.document_tokens) for costs in lines.values() for cost in costs}) < 2:
        return None
    drawing, axes = panels(len(SHOWN), columns=2)
    for axis, (title, what) in zip(axes, SHOWN.items(), strict=True):
        for number, (name, costs) in enumerate(lines.items()):
            for benchmark in dict.fromkeys(cost.benchmark for cost in costs):  # other prompts are not joined
                points: dict[float, list[float]] = {}
                for cost in costs:
                    if cost.benchmark == benchmark:
                        points.setdefault(round(cost.document_tokens, 1), []).append(_value(cost, what))
                places = sorted(points)
                means = [sum(points[place]) / len(points[place]) for place in places]
                axis.plot(places, means, label=name, **look(number))
        axis.set_xscale("log")
        axis.set_yscale("log")
        plain_log(axis.xaxis)
        plain_log(axis.yaxis)
        axis.set_xlabel("decoder tokens of a prompt's documents")
        axis.set_ylabel(title)
    legend_below(drawing, axes)
    return drawing


def _line(names: Names, run: Run, cost: Cost) -> str:
    """What points and lines of one colour are about."""
    decoder = cost.decoder if names.decoders else ""
    return ", ".join(filter(None, [names.system(run, cost) + MODIFIED * cost.decoder_modified, decoder]))


def _value(cost: Cost, what: str) -> float:
    return cost.encoder_gflops + cost.decoder_gflops if what == "gflops" else float(getattr(cost, what))
