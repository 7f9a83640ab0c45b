"""Heat map: pooling factor of pretraining × of fine-tuning (as in Pilchen et al., 2025, Figure 4)."""

from __future__ import annotations

from typing import Any

from arc_encoder.evaluation.reporting.figures.axes import panels, title_of
from arc_encoder.evaluation.reporting.reading.material import Material
from arc_encoder.evaluation.reporting.reading.summary import LOSSES, Figure

KEYS = ("pretrain_factor", "finetune_factor")
OWN = (*KEYS, "variant")  # conditions that differ within a panel


def factor_pairs(material: Material) -> Any | None:
    """A panel for each benchmark, decoder, ablation and other condition; None where runs do not say both factors."""
    pairs = [figure for figure in material.shown() if _is_pair(figure)]
    told = [{key: str(value) for key, value in pair.conditions.items() if key not in OWN} for pair in pairs]
    keys = sorted({key for each in told for key in each})
    differing = [key for key in keys if len({each.get(key) for each in told}) > 1]
    groups: dict[str, dict[tuple[int, int], Figure]] = {}
    for figure, conditions in zip(pairs, told, strict=True):
        place = (int(figure.conditions[KEYS[0]]), int(figure.conditions[KEYS[1]]))
        front = [conditions[key] for key in differing if key in conditions]
        groups.setdefault("/".join([*front, figure.panel]), {})[place] = figure
    if not groups:
        return None
    drawing, axes = panels(len(groups))
    for axis, (panel, cells) in zip(axes, groups.items(), strict=True):
        rows, columns = sorted({a for a, _ in cells}), sorted({b for _, b in cells})
        values = [[cells[a, b].value if (a, b) in cells else float("nan") for b in columns] for a in rows]
        metric = next(iter(cells.values())).row.metric
        lower_is_better = metric in LOSSES
        image = axis.imshow(values, cmap="viridis_r" if lower_is_better else "viridis", aspect="auto")
        for (a, b), figure in cells.items():
            digits = 3 if lower_is_better else 1
            spread = "" if figure.seeds == 1 else f"\n± {figure.high - figure.value:.{digits}f}"
            text = f"{figure.value:.{digits}f}{spread}"
            bright = float(image.norm(figure.value))
            colour = "white" if (1 - bright if lower_is_better else bright) < 0.7 else "black"
            axis.text(columns.index(b), rows.index(a), text, ha="center", va="center", color=colour, fontsize=9)
        axis.set_xticks(range(len(columns)), [f"×{factor}" for factor in columns])
        axis.set_yticks(range(len(rows)), [f"×{factor}" for factor in rows])
        axis.set_xlabel("fine-tuned and evaluated at")
        axis.set_ylabel("pretrained at")
        axis.set_title(f"{panel}: {title_of(metric)}")
        axis.grid(False)
        drawing.colorbar(image, ax=axis)
    drawing.tight_layout()
    return drawing


def _is_pair(figure: Figure) -> bool:
    return all(key in figure.conditions for key in KEYS) and figure.row.system == "arc"
