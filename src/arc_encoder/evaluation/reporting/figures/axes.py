"""Empty axes in one style, and files of a figure that are the same every time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from arc_encoder.evaluation.reporting.tables.result_tables import TITLES

MARKERS = "osD^vPX*<>"
DASHES = ("--", ":", "-.")


def panels(count: int, *, width: float = 4.2, height: float = 3.4, columns: int = 3) -> tuple[Any, list[Any]]:
    """A figure with `count` panels, at most `columns` in a row."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    across = min(columns, count)
    down = -(-count // across)
    figure, axes = plt.subplots(down, across, figsize=(width * across, height * down), squeeze=False)
    flat = list(axes.flat)
    for axis in flat[count:]:
        axis.set_visible(False)
    for axis in flat[:count]:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, flat[:count]


def heat_map(
    figure: Any,
    axis: Any,
    cells: Mapping[tuple[float, float], float],
    texts: Mapping[tuple[float, float], str],
    names: tuple[Callable[[float], str], Callable[[float], str]],
    *,
    lower_is_better: bool = False,
    fontsize: int = 9,
    **limits: float,
) -> None:
    """Draw values by row and column, with their texts on light or dark and a bar of colours beside them.

    Args:
        cells: (row, column) → value.
        texts: (row, column) → what stands there.
    """
    rows, columns = sorted({row for row, _ in cells}), sorted({column for _, column in cells})
    values = [[cells.get((row, column), float("nan")) for column in columns] for row in rows]
    image = axis.imshow(values, cmap="viridis_r" if lower_is_better else "viridis", aspect="auto", **limits)
    for (row, column), value in cells.items():
        bright = float(image.norm(value))
        colour = "white" if (1 - bright if lower_is_better else bright) < 0.7 else "black"
        place = {"ha": "center", "va": "center", "color": colour, "fontsize": fontsize}
        axis.text(columns.index(column), rows.index(row), texts[row, column], **place)
    axis.set_yticks(range(len(rows)), [names[0](row) for row in rows])
    axis.set_xticks(range(len(columns)), [names[1](column) for column in columns])
    axis.grid(False)
    figure.colorbar(image, ax=axis)


def look(number: int) -> dict[str, str]:
    """Colour and marker of the line or point with a number; no two below a hundred look the same."""
    return {"color": f"C{number % 10}", "marker": MARKERS[(number + number // 10) % len(MARKERS)]}


def dashes(number: int) -> dict[str, str]:
    """Colour and dashes of a line across; no two below thirty look the same."""
    return {"color": f"C{number % 10}", "linestyle": DASHES[number // 10 % len(DASHES)]}


def plain_log(axis: Any) -> None:
    """A logarithmic axis of a panel (`panel.xaxis`) whose ticks are 1, 2 and 5 times powers of ten, written out."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def legend_below(figure: Any, axes: list[Any]) -> None:
    """One legend for all panels, below them."""
    entries: dict[str, Any] = {}
    for axis in axes:
        for handle, text in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(text, handle)
    figure.tight_layout()
    if entries:
        columns = min(4, len(entries))
        figure.legend(
            entries.values(),
            entries.keys(),
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            ncols=columns,
            frameon=False,
        )


def title_of(metric: str) -> str:
    """A metric in words."""
    return TITLES.get(metric, metric)


def save(figure: Any, folder: Path, name: str) -> list[Path]:
    """Write PNG and SVG; returns their paths."""
    import matplotlib
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.png", folder / f"{name}.svg"]
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(files[0], dpi=160, bbox_inches="tight", metadata={"Software": None})
        figure.savefig(files[1], bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return files
