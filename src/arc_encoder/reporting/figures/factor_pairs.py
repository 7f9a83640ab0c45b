"""Heat map: pooling factor of pretraining × of fine-tuning (as in Pilchen et al., 2025, Figure 4)."""

from __future__ import annotations

from typing import Any

from arc_encoder.reporting.figures.axes import panels, title_of
from arc_encoder.reporting.material import Material
from arc_encoder.reporting.summary import Figure

KEYS = ("pretrain_factor", "finetune_factor")


def factor_pairs(material: Material) -> Any | None:
    """A panel for each benchmark and decoder; None where runs do not say both factors."""
    groups: dict[tuple[str, str], dict[tuple[int, int], Figure]] = {}
    for figure in material.shown():
        if all(key in figure.conditions for key in KEYS) and figure.row.system == "arc":
            place = (int(figure.conditions[KEYS[0]]), int(figure.conditions[KEYS[1]]))
            groups.setdefault((figure.row.benchmark, figure.row.decoder), {})[place] = figure
    if not groups:
        return None
    drawing, axes = panels(len(groups))
    for axis, ((benchmark, decoder), cells) in zip(axes, groups.items(), strict=True):
        rows, columns = sorted({a for a, _ in cells}), sorted({b for _, b in cells})
        values = [[cells[a, b].value if (a, b) in cells else float("nan") for b in columns] for a in rows]
        lower_is_better = "loss" in material.main[benchmark]
        image = axis.imshow(values, cmap="viridis_r" if lower_is_better else "viridis", aspect="auto")
        for (a, b), figure in cells.items():
            digits = 3 if lower_is_better else 1
            spread = "" if figure.seeds == 1 else f"\n± {figure.high - figure.value:.{digits}f}"
            text = f"{figure.value:.{digits}f}{spread}"
            axis.text(columns.index(b), rows.index(a), text, ha="center", va="center", color="white", fontsize=9)
        axis.set_xticks(range(len(columns)), [f"×{factor}" for factor in columns])
        axis.set_yticks(range(len(rows)), [f"×{factor}" for factor in rows])
        axis.set_xlabel("fine-tuned and evaluated at")
        axis.set_ylabel("pretrained at")
        axis.set_title(f"{benchmark}, {decoder}: {title_of(material.main[benchmark])}")
        axis.grid(False)
        drawing.colorbar(image, ax=axis)
    drawing.tight_layout()
    return drawing
