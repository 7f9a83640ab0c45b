"""Heat map: recall by length of the document and depth of the answer."""

from __future__ import annotations

from typing import Any

from arc_encoder.evaluation.reporting.figures.axes import heat_map, panels
from arc_encoder.evaluation.reporting.reading.material import Material, examples_of
from arc_encoder.evaluation.reporting.tables.result_tables import MODIFIED

Cells = dict[tuple[float, float], list[float]]


def needle_heat_map(material: Material) -> Any | None:
    """A panel for each benchmark, decoder and system whose examples say length and depth; None where none does."""
    groups: dict[str, Cells] = {}
    for run in material.runs:
        for row in run.rows:
            if (
                row.metric != material.main[row.benchmark]
                or not (run.folder / "examples" / f"{row.slug}.jsonl").is_file()
            ):
                continue
            for example in examples_of(run, row):
                if "length" not in example or "depth" not in example:
                    break
                name = (
                    f"{material.names.system(run, row) + MODIFIED * row.decoder_modified}, {material.names.panel(row)}"
                )
                place = (float(example["length"]), float(example["depth"]))
                groups.setdefault(name, {}).setdefault(place, []).append(float(example[row.metric]))
    if not groups:
        return None
    drawing, axes = panels(len(groups))
    for axis, (name, cells) in zip(axes, groups.items(), strict=True):
        means = {(depth, length): sum(scores) / len(scores) for (length, depth), scores in cells.items()}
        texts = {place: f"{mean:.0f}" for place, mean in means.items()}
        names = (lambda depth: f"{100 * depth:.0f} %", lambda length: f"{length:g}")
        heat_map(drawing, axis, means, texts, names, fontsize=8, vmin=0, vmax=100)
        axis.set_xlabel("length")
        axis.set_ylabel("depth of the answer")
        axis.set_title(name, fontsize=9)
    drawing.tight_layout()
    return drawing
