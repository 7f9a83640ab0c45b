"""The folder of an evaluation: results.json while it runs and when it has finished, and report.md."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from arc_encoder.evaluation.runs.results import Cost, Row, write_json, write_results

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
