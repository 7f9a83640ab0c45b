"""The folder of an evaluation: results.json while it runs and when it has finished, and report.md."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from arc_encoder.evaluation.runs.results import Cost, Part, Row, write_json, write_results

RESULTS = "results.json"


class ResultsFolder:
    """Where results are written; several processes that share an evaluation may write."""

    def __init__(self, folder: Path, conditions: Mapping[str, Any] | None = None) -> None:
        self.folder, self.conditions = folder, dict(conditions or {})
        self.file = folder / RESULTS
        self.begun = time.time()

    def write(self, status: str, rows: Sequence[Row], costs: Sequence[Cost]) -> None:
        """Write all results so far; `status` is running or finished."""
        if status == "running" and not rows and self.file.is_file():
            return  # nothing is known yet that an earlier start has not written
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.file.with_suffix(".lock")):
            if status == "finished" or not self._finished():  # by a process that shares the parts
                write_results(self.file, rows, costs, {"status": status, "conditions": self.conditions})

    def write_report(self, table: str) -> None:
        """Write report.md."""
        (self.folder / "report.md").write_text(f"# Results\n\n{table}\n", encoding="utf-8")

    def _finished(self) -> bool:
        """Whether there are finished results that were written since this process began."""
        if not self.file.is_file() or self.file.stat().st_mtime < self.begun:
            return False
        return bool(json.loads(self.file.read_text(encoding="utf-8")).get("status") == "finished")


def mark_running(folder: Path) -> None:
    """Let nobody take the results of an earlier start for those of this one; nothing of them is lost."""
    file = folder / RESULTS
    if not file.is_file():
        return
    with FileLock(file.with_suffix(".lock")):
        try:
            earlier = dict(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError):  # corrupted: it will be written again
            return
        write_json(file, {**earlier, "status": "running"})


class FinishedParts:
    """The folder of an evaluation's finished parts.

    Args:
        fingerprint: what decides a part's results (settings, weights); a part that was made with another one is
            made again.
    """

    def __init__(self, folder: Path, fingerprint: Callable[[Part], str]) -> None:
        self.folder, self.fingerprint = folder, fingerprint
        self._asked: dict[str, str] = {}  # fingerprints when their parts were asked for, before they were made

    @contextmanager
    def claim(self, part: Part, *, wait: bool) -> Iterator[bool]:
        """Hold a part, so that no other process works on it; whether it is ours. The system frees it if we die."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f"{part.slug}.lock")
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def read(self, part: Part) -> tuple[list[Row], list[Cost]] | None:
        """Rows and costs of a part, None if it is not finished, or was made otherwise."""
        file = self._file(part)
        known = self._asked[part.slug] = self.fingerprint(part)
        if not file.is_file():
            return None
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            if found["fingerprint"] != known:
                return None
            return [Row(**row) for row in found["rows"]], [Cost(**_known(cost)) for cost in found["costs"]]
        except (ValueError, KeyError, TypeError):  # corrupted: it is made again
            return None

    def write(self, part: Part, rows: Sequence[Row], costs: Sequence[Cost]) -> None:
        """Keep a finished part."""
        known = self._asked.get(part.slug) or self.fingerprint(part)
        found = {"fingerprint": known, "rows": [asdict(row) for row in rows]}
        write_json(self._file(part), {**found, "costs": [asdict(cost) for cost in costs]})

    def _file(self, part: Part) -> Path:
        return self.folder / f"{part.slug}.json"


def _known(cost: dict[str, Any]) -> dict[str, Any]:
    return {field.name: cost[field.name] for field in fields(Cost)}
