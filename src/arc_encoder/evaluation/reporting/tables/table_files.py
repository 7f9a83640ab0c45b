"""A table as Markdown, LaTeX, CSV and HTML."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

from arc_encoder.evaluation.reporting.tables.markdown import table

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "×": r"$\times$", "±": r"$\pm$", "–": "--", "−": "$-$",
    "÷": r"$\div$", "⁹": r"\textsuperscript{9}",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table with a title.

    Attributes:
        rows: texts; one a column.
    """

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        """For a page or a terminal."""
        note = f"\n\n{self.note}" if self.note else ""
        return f"## {self.title}\n\n{table(self.header, self.rows)}{note}\n"

    def latex(self) -> str:
        """For a paper; needs the package booktabs."""
        columns = "l" + "r" * (len(self.header) - 1)
        lines = [" & ".join(map(latex_text, row)) + r" \\" for row in [self.header, *self.rows]]
        body = "\n".join([lines[0], r"\midrule", *lines[1:]])
        return (
            "\\begin{table}\n\\centering\n\\begin{tabular}{" + columns + "}\n\\toprule\n" + body
            + "\n\\bottomrule\n\\end{tabular}\n\\caption{" + latex_text(f"{self.title}. {self.note}".strip()) + "}\n\\label{tab:" + self.name + "}\n\\end{table}\n"
        )  # fmt: skip

    def csv(self) -> str:
        """For a spreadsheet."""
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([self.header, *self.rows])
        return out.getvalue()

    def html(self) -> str:
        """For a page of its own."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.header)
        body = "\n".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows
        )
        note = f"<p class='note'>{html.escape(self.note)}</p>" if self.note else ""
        return f"<h2>{html.escape(self.title)}</h2>\n<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>{note}"


def latex_text(text: str) -> str:
    """`text` with everything that LaTeX reads as a command written as itself."""
    return "".join(_LATEX.get(letter, letter) for letter in text)
