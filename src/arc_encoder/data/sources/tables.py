"""Documents and questions of tables, through the library `datasets`.

The library keeps tables as Arrow files in its own cache and reads them in place, so nothing is held
in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from tqdm import tqdm

from arc_encoder.core.errors import DataError, at_least, needing
from arc_encoder.data.records import Document, Question
from arc_encoder.data.sources.fields import DocumentFields, QuestionFields, RecordSource
from arc_encoder.data.sources.files.line_index import Check, Skipped
from arc_encoder.data.sources.jsonl import OnError, check_on_error, warn_of


class _Rows:
    """Sound rows of a table.

    With ``skip`` every row is looked at once, when the source is made; with ``stop`` a bad row stops
    the run when it is drawn, and the first row at once.
    """

    def __init__(self, table: Any, name: str, check: Check, on_error: OnError, limit: int | None) -> None:
        check_on_error(on_error)
        at_least(1, "", "; leave it out to use every record", limit=limit)
        self.table, self.name, self.check = table, name, check
        self.skipped = Skipped()
        total = len(table) if limit is None else min(limit, len(table))
        self._good: np.ndarray | None = None
        if on_error == "skip":
            self._good = np.fromiter(self._sound(total), dtype=np.int64)
            warn_of(self.skipped, "rows")
        self._size = total if self._good is None else len(self._good)
        if self._size:
            self[0]

    def _sound(self, total: int) -> Iterator[int]:
        for row in tqdm(range(total), desc=f"reading {self.name}", unit=" rows", leave=False, disable=total < 100_000):
            problem = self.check(self.table[row])
            if problem is None:
                yield row
            else:
                self.skipped.add(f"{self.name}[{row}]: {problem}")

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> tuple[str, str, Mapping[str, Any]]:
        if not 0 <= index < self._size:
            raise IndexError(index)
        row = index if self._good is None else int(self._good[index])
        record: Mapping[str, Any] = self.table[row]
        where = f"{self.name}[{row}]"
        problem = self.check(record)
        if problem is not None:
            raise DataError(f"{where}: {problem}; repair it, or leave such rows out", advice="skip")
        return self.name, where, record


class TableDocuments(RecordSource[Document]):
    """Documents of a table."""

    def __init__(self, table: Any, name: str, fields: DocumentFields, on_error: OnError, limit: int | None) -> None:
        super().__init__(name, "document", _Rows(table, name, fields.problem, on_error, limit), fields.document)


class TableQuestions(RecordSource[Question]):
    """Questions of a table."""

    def __init__(
        self, table: Any, name: str, fields: QuestionFields, subset: str, on_error: OnError, limit: int | None
    ) -> None:
        rows = _Rows(table, name, fields.problem, on_error, limit)
        super().__init__(name, "question", rows, fields.question, subset)


def loaded(label: str, load: Callable[[Any], Any]) -> Any:
    """What `load` makes of the library `datasets`.

    Raises:
        DataError: the library is missing, or whatever it raised.
    """
    what = f"{label}: Parquet files and Hugging Face data sets need the library datasets"
    with needing(what, "datasets", DataError):
        import datasets
    try:
        return load(datasets)
    except Exception as error:  # the library and what it calls raise many kinds
        raise DataError(
            f"{label} cannot be loaded ({type(error).__name__}: {' '.join(str(error).split())[:300]}); give a hub name that this "
            "machine can reach, a folder that save_to_disk wrote, or Parquet files"
        ) from error
