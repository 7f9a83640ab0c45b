"""Heat maps: pooling factor of pretraining × of fine-tuning (as in Pilchen et al., 2025, Figure 4), and recall by length and depth."""

from __future__ import annotations

from typing import Any

from arc_encoder.evaluation.reporting.figures.axes import heat_map, panels, title_of
from arc_encoder.evaluation.reporting.reading.material import Material, examples_of
from arc_encoder.evaluation.reporting.reading.summary import LOSSES, Figure
from arc_encoder.evaluation.reporting.tables.result_tables import MODIFIED

KEYS = ("pretrain_factor", "finetune_factor")
OWN = (*KEYS, "variant")  # conditions that differ within a panel


def factor_pairs(material: Material) -> Any | None:
    """A panel for each benchmark, decoder, ablation and other condition; None where runs do not say both factors."""
    pairs = [figure for figure in material.shown() if _is_pair(figure)]
    shown_of = [{key: str(value) for key, value in pair.conditions.items() if key not in OWN} for pair in pairs]
    keys = sorted({key for each in shown_of for key in each})
    differing = [key for key in keys if len({each.get(key) for each in shown_of}) > 1]
    groups: dict[str, dict[tuple[float, float], Figure]] = {}
    for figure, conditions in zip(pairs, shown_of, strict=True):
        place = (int(figure.conditions[KEYS[0]]), int(figure.conditions[KEYS[1]]))
        front = [conditions[key] for key in differing if key in conditions]
        groups.setdefault("/".join([*front, figure.panel]), {})[place] = figure
    if not groups:
        return None
    drawing, axes = panels(len(groups))
    for axis, (panel, cells) in zip(axes, groups.items(), strict=True):
        metric = next(iter(cells.values())).row.metric
        digits = 3 if metric in LOSSES else 1
        texts = {
            place: f"{each.value:.{digits}f}" + ("" if each.seeds == 1 else f"\n± {each.high - each.value:.{digits}f}")
            for place, each in cells.items()
        }
        values = {place: each.value for place, each in cells.items()}
        heat_map(drawing, axis, values, texts, (_times, _times), lower_is_better=metric in LOSSES)
        axis.set_xlabel("fine-tuned and evaluated at")
        axis.set_ylabel("pretrained at")
        axis.set_title(f"{panel}: {title_of(metric)}")
    drawing.tight_layout()
    return drawing


def _times(factor: float) -> str:
    return f"×{factor:g}"


def _is_pair(figure: Figure) -> bool:
    return all(key in figure.conditions for key in KEYS) and figure.row.system == "arc"


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
