"""A report as files: tables in three forms, plots in two, and one HTML page that holds everything."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from arc_encoder.core.atomic import write_text_atomically
from arc_encoder.core.errors import DataError, writing
from arc_encoder.evaluation.reporting.figures import PLOTS
from arc_encoder.evaluation.reporting.figures.axes import save
from arc_encoder.evaluation.reporting.reading.material import Material
from arc_encoder.evaluation.reporting.reading.summary import asked_in
from arc_encoder.evaluation.reporting.tables.cost_tables import cost_table_of, share_table
from arc_encoder.evaluation.reporting.tables.result_tables import span
from arc_encoder.evaluation.reporting.tables.score_tables import score_table
from arc_encoder.evaluation.reporting.tables.table_files import Table
from arc_encoder.evaluation.reporting.tables.training_table import training_table

TABLES = ("scores", "surviving_share", "costs", "trainings")  # names of their files
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; height: auto; } .note { color: #555; font-size: 13px; } code { background: #f3f3f3; }
"""


@dataclass(frozen=True)
class Drawn:
    """A plot that was written."""

    name: str
    title: str
    png: Path
    svg: Path


def report(
    folders: Sequence[str | Path], output: str | Path, *, title: str | None = None, protocol: str | None = None
) -> list[Path]:
    """Tables, plots and one page of every evaluation in or below `folders`, or of trainings that were not evaluated.

    Args:
        folders: of finished runs; nothing but their files is read.
        output: folder of the report.
        title: of the page; the folders' names by default.
        protocol: which results are taken, where a folder has those of several.

    Returns:
        the files that were written: report.html, report.md, tables (.md, .tex, .csv), plots (.png, .svg).

    Raises:
        DataError: nothing finished is there.
        ConfigError: `output` cannot be written.
    """
    material = Material.of_runs(folders, protocol)
    if not tables_of(material):
        raise DataError("no training here has logged a loss yet; report it once its first step or validation is done")
    return write_report(material, Path(output), title=title or ", ".join(Path(each).resolve().name for each in folders))


def write_report(material: Material, folder: Path, *, title: str) -> list[Path]:
    """Write everything; returns the paths, the page first.

    Raises:
        ConfigError: `folder` cannot be written.
    """
    with writing(folder, "give a folder that is new, or that you may write to"):
        return _written(material, folder, title)


def _written(material: Material, folder: Path, title: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    tables = tables_of(material)
    written: list[Path] = []
    for table in tables:
        for ending, text in (("md", table.markdown()), ("tex", table.latex()), ("csv", table.csv())):
            written.append(_write(folder / f"{table.name}.{ending}", text))
    drawn = []
    for name, (shown, draw) in PLOTS.items():
        figure = draw(material)
        if figure is not None:
            png, svg = save(figure, folder, name)
            drawn.append(Drawn(name, shown, png, svg))
            written += [png, svg]
    _remove_others(folder, [table.name for table in tables], [plot.name for plot in drawn])
    provenance = _provenance(material)
    markdown = _write(folder / "report.md", _markdown(title, tables, drawn, provenance))
    page = _write(folder / "report.html", _html(title, tables, drawn, provenance))
    return [page, markdown, *written]


def _remove_others(folder: Path, tables: Sequence[str], drawn: Sequence[str]) -> None:
    """Remove what only an earlier report wrote: it would look like a part of this one."""
    for known, kept, endings in ((TABLES, tables, ("md", "tex", "csv")), (PLOTS, drawn, ("png", "svg"))):
        for name in set(known) - set(kept):
            for ending in endings:
                (folder / f"{name}.{ending}").unlink(missing_ok=True)


def tables_of(material: Material) -> list[Table]:
    """Scores, shares and costs; of trainings without evaluations, where their losses ended."""
    if not material.runs:
        return list(filter(None, [training_table(material.places)]))
    found = (score_table(material.figures), share_table(material.runs), cost_table_of(material.runs))
    return [table for table in found if table]


def _provenance(material: Material) -> list[str]:
    """Where the figures come from, a line for each benchmark and number of shots, and one for the runs."""
    counts: dict[str, list[int]] = {}
    for run in material.runs:
        for row in run.rows:
            questions = "" if row.shots is None else f", {row.shots} shots"
            what = f"{row.benchmark} version {row.version}, protocol {row.protocol}{questions}"
            counts.setdefault(what, []).append(asked_in(run, row))
    asked = [f"{what}, {span(numbers)} examples" for what, numbers in counts.items()]
    folders = sorted({str(run.folder) for run in material.runs})
    shown = ", ".join(folders[:6]) + (f" and {len(folders) - 6} more" if len(folders) > 6 else "")
    folders = folders or sorted(map(str, material.places))
    return [*asked, f"{len(folders)} runs: {shown}"]


def _markdown(title: str, tables: Sequence[Table], drawn: Sequence[Drawn], provenance: Sequence[str]) -> str:
    plots = "\n\n".join(f"## {plot.title}\n\n![{plot.title}]({plot.png.name})" for plot in drawn)
    sources = "\n".join(f"- {line}" for line in provenance)
    body = "\n".join(table.markdown() for table in tables)
    return f"# {title}\n\n{body}\n{plots}\n\n## Where this comes from\n\n{sources}\n"


def _html(title: str, tables: Sequence[Table], drawn: Sequence[Drawn], provenance: Sequence[str]) -> str:
    plots = "\n".join(
        f"<h2>{html.escape(plot.title)}</h2>\n<img alt='{html.escape(plot.title)}' "
        f"src='data:image/svg+xml;base64,{base64.b64encode(plot.svg.read_bytes()).decode()}'>"
        for plot in drawn
    )
    sources = "\n".join(f"<li>{html.escape(line)}</li>" for line in provenance)
    body = "\n".join(table.html() for table in tables)
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{html.escape(title)}</title>"
        f"<style>{STYLE}</style></head>\n<body><h1>{html.escape(title)}</h1>\n{body}\n{plots}\n"
        f"<h2>Where this comes from</h2>\n<ul>{sources}</ul>\n</body></html>\n"
    )


def _write(file: Path, text: str) -> Path:
    write_text_atomically(file, text)
    return file
