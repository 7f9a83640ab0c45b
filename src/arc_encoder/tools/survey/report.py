"""What a survey says about a source: as a text for people, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from arc_encoder.core.segments import Role
from arc_encoder.tools.survey.counting import Findings
from arc_encoder.tools.survey.records import RecordSurvey
from arc_encoder.tools.survey.samples import Piece, TaskSurvey

COLUMNS = ("min", "median", "mean", "p95", "max")
SUBSETS = 12  # names that are listed
CONTEXT_SHOWN, TEXT_SHOWN = 160, 600  # characters of a compressed and of a plain part
COLOURS = {Role.CONTEXT: "\033[36m", Role.TARGET: "\033[1;32m"}
PLAIN = "\033[0m"


@dataclass
class SourceReport:
    """The report of one source."""

    name: str
    error: str | None = None
    refused: dict[str, str] = field(default_factory=dict)
    tasks: list[TaskSurvey] = field(default_factory=list)
    content: dict[str, Any] = field(default_factory=dict)
    _stops: bool = False

    def fill(self, survey: RecordSurvey, findings: Findings, *, total: int, read: int, skipped: int) -> None:
        """Take over what a pass over the records found."""
        self._stops = findings.stopping or survey.findings.stopping
        self.content = {
            "kind": survey.kind,
            "records": total,
            "read": read,
            "skipped": skipped,
            "skipped_share": skipped / (total + skipped),
            "subsets": dict(survey.subsets.most_common()),
            "lengths": {
                "encoder": {name: lengths.summary() for name, lengths in survey.encoder.items()},
                **{
                    f"decoder {decoder}": {name: lengths.summary() for name, lengths in found.items()}
                    for decoder, found in survey.decoders.items()
                },
            },
            "vectors_a_context": survey.vectors.summary(),
            "passages_a_record": survey.passages.summary(),
            "ratio": {decoder: survey.ratio(decoder) for decoder in survey.decoders},
            "findings": [*findings.rows(), *survey.findings.rows()],
        }

    @property
    def usable(self) -> bool:
        """Whether a training with this source would run."""
        return not (self._stops or self.error or self.refused or any(t.findings.stopping for t in self.tasks))

    def to_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "name": self.name,
            "usable": self.usable,
            "error": self.error,
            "refused_by": self.refused,
            **self.content,
            "tasks": {
                task.name: {
                    "built": task.built,
                    "positions": {decoder: lengths.summary() for decoder, lengths in task.positions.items()},
                    "findings": task.findings.rows(),
                    "examples": [{"id": id, "text": shown(pieces)} for id, pieces in task.examples],
                }
                for task in self.tasks
            },
        }

    def to_text(self, *, colour: bool = False) -> str:
        """The report for people."""
        return "\n".join(self._lines(colour))

    def _lines(self, colour: bool) -> Iterator[str]:
        yield f"── {self.name} " + "─" * max(3, 96 - len(self.name))
        if self.error:
            yield f"  ! cannot be read: {self.error}"
            return
        c = self.content
        partly = "" if c["read"] == c["records"] else f", the first {c['read']:,} looked at (limit=null looks at all)"
        left = f"; {c['skipped']:,} broken ({c['skipped_share']:.2%})" if c["skipped"] else ""
        yield f"  {c['records']:,} {c['kind']}{partly}{left}"
        if c["subsets"]:
            names = [f"{name} {count:,}" for name, count in list(c["subsets"].items())[:SUBSETS]]
            more = len(c["subsets"]) - len(names)
            yield f"  subsets: {', '.join(names)}{f' and {more} more' if more else ''}"
        yield from self._table()
        yield from self._findings(c["findings"])
        for name, reason in self.refused.items():
            yield f"  ! task {name} does not accept it: {reason}"
        for task in self.tasks:
            yield from self._task(task, colour)

    def _table(self) -> Iterator[str]:
        lengths = self.content["lengths"]
        width = max(len(name) for name in lengths) + 22
        yield ""
        yield f"  {'tokens of':<{width}}" + "".join(f"{column:>10}" for column in COLUMNS)
        for who, parts in lengths.items():
            for name, summary in parts.items():
                if summary is not None:
                    yield _row(f"{name}, {who}", summary, width)
        for key in ("vectors_a_context", "passages_a_record"):
            if self.content[key] is not None:
                yield _row(key.replace("_", " "), self.content[key], width)
        for decoder, ratio in self.content["ratio"].items():
            if ratio is not None:
                yield f"  compressed {ratio:.2f} to 1 for {decoder}: its tokens of a context for each position that the vectors take"

    @staticmethod
    def _findings(rows: list[dict[str, Any]]) -> Iterator[str]:
        if rows:
            yield ""
        for row in rows:
            yield f"  {'!' if row['stops'] else '·'} {row['count']:,} × {row['what']}"
            for place in row["places"]:
                yield f"      {shortened(printable(' '.join(place.split())), 200)}"

    def _task(self, task: TaskSurvey, colour: bool) -> Iterator[str]:
        yield ""
        for decoder, lengths in task.positions.items():
            summary = lengths.summary()
            if summary is not None:
                span = " / ".join(_number(summary[column]) for column in COLUMNS)
                yield f"  task {task.name}: {task.built} samples built; positions of {decoder} {span} ({' / '.join(COLUMNS)})"
        yield from self._findings(task.findings.rows())
        for id, pieces in task.examples:
            yield f"  ┌ sample {printable(id)}"
            yield from (f"  │ {line}" for line in shown(pieces, colour=colour).split("\n"))
            yield "  └"


def _row(label: str, summary: dict[str, float], width: int) -> str:
    return f"  {label:<{width}}" + "".join(f"{_number(summary[column]):>10}" for column in COLUMNS)


def _number(value: float) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def shortened(text: str, max_length: int) -> str:
    """Beginning and end of a long text."""
    if len(text) <= max_length:
        return text
    half = max_length // 2
    head, tail = text[:half].rsplit(" ", 1)[0] or text[:half], text[-half:].split(" ", 1)[-1] or text[-half:]
    return f"{head.rstrip()} … {tail.lstrip()}"


def shown(pieces: Sequence[Piece], *, colour: bool = False) -> str:
    """A sample as one text; neighbouring targets share a mark."""
    parts = []
    for place, piece in enumerate(pieces):
        if piece.role is Role.CONTEXT:
            vectors = f"{piece.vectors} vector{'s' if piece.vectors != 1 else ''}{' + task token' if piece.task_token else ''}"
            words = shortened(" ".join(piece.text.split()), CONTEXT_SHOWN)
            text = f"⟦context: {piece.tokens} tokens → {vectors}⟧ {words} ⟦/⟧"
        elif piece.role is Role.TARGET:
            first = place == 0 or pieces[place - 1].role is not Role.TARGET
            last = place + 1 == len(pieces) or pieces[place + 1].role is not Role.TARGET
            text = f"{'⟦target⟧' if first else ''}{shortened(piece.text, TEXT_SHOWN)}{'⟦/⟧' if last else ''}"
        else:
            text = shortened(piece.text, TEXT_SHOWN)
        paint = COLOURS.get(piece.role) if colour else None
        parts.append(f"{paint}{text}{PLAIN}" if paint else text)
    return printable("".join(parts), colour=colour)


def printable(text: str, *, colour: bool = False) -> str:
    """Text without the control characters that could change a terminal (those of `colour` stay)."""
    allowed = "\n\t\033" if colour else "\n\t"
    return "".join(letter if letter in allowed or letter.isprintable() else "�" for letter in text)
