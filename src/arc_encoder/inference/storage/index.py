"""Where each document's vectors are: a SQLite file.

Readers keep reading while a writer writes (write-ahead log); what was committed is there after any kill.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from arc_encoder.core.errors import DataError

BUSY_SECONDS = 60.0  # how long a writer waits for another one
ASKED_AT_ONCE = 500  # ids in a query


@dataclass(frozen=True)
class Entry:
    """One document.

    Attributes:
        id: its name.
        source: SHA-256 of its text.
        shard: file that holds its vectors.
        first: row of its first vector there.
        count: number of its vectors.
        tokens: encoder tokens.
        factor: pooling factor; None with a fixed number of vectors.
        text: the text itself, if it was kept.
        fidelity: share of its tokens that the decoder reads back from the vectors, if it was measured.
    """

    id: str
    source: str
    shard: str
    first: int
    count: int
    tokens: int
    factor: float | None
    text: str | None = None
    fidelity: float | None = None


COLUMNS = ", ".join(field.name for field in fields(Entry))


class Index:
    """The entries of a store.

    Args:
        file: of the index; made if it is not there.

    Raises:
        DataError: it cannot be opened, or is no index.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._base = sqlite3.connect(file, timeout=BUSY_SECONDS, check_same_thread=False)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute(
                "CREATE TABLE IF NOT EXISTS documents (id TEXT PRIMARY KEY, source TEXT NOT NULL, shard TEXT NOT NULL, "
                "first INTEGER NOT NULL, count INTEGER NOT NULL, tokens INTEGER NOT NULL, factor REAL, text TEXT, fidelity REAL) WITHOUT ROWID"
            )
            if "fidelity" not in {
                row[1] for row in self._base.execute("PRAGMA table_info(documents)")
            }:  # made before it
                with suppress(sqlite3.OperationalError):  # another process has added it just now
                    self._base.execute("ALTER TABLE documents ADD COLUMN fidelity REAL")
            self._base.execute("CREATE INDEX IF NOT EXISTS by_source ON documents (source, factor)")
            self._base.commit()
        except sqlite3.Error as error:
            raise DataError(f"the index {file} cannot be opened ({error})") from error

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def __len__(self) -> int:
        return int(self._base.execute("SELECT count(*) FROM documents").fetchone()[0])

    def __contains__(self, id: str) -> bool:
        return self._base.execute("SELECT 1 FROM documents WHERE id = ?", (id,)).fetchone() is not None

    def put(self, entries: Iterable[Entry]) -> None:
        """Add or replace entries, all or none.

        Raises:
            DataError: they cannot be written.
        """
        rows = [astuple(entry) for entry in entries]
        holes = ", ".join("?" * len(fields(Entry)))
        try:
            with self._base:
                self._base.executemany(f"INSERT OR REPLACE INTO documents ({COLUMNS}) VALUES ({holes})", rows)
        except sqlite3.Error as error:
            raise DataError(f"the index {self.file} cannot be written ({error})") from error

    def delete(self, ids: Sequence[str]) -> None:
        """Remove entries, all or none."""
        with self._base:
            self._base.executemany("DELETE FROM documents WHERE id = ?", [(id,) for id in ids])

    def find(self, ids: Sequence[str]) -> dict[str, Entry]:
        """The entries of those of `ids` that are there."""
        found: dict[str, Entry] = {}
        for start in range(0, len(ids), ASKED_AT_ONCE):
            part = ids[start : start + ASKED_AT_ONCE]
            query = f"SELECT {COLUMNS} FROM documents WHERE id IN ({', '.join('?' * len(part))})"
            found.update((row[0], Entry(*row)) for row in self._base.execute(query, part))
        return found

    def of_source(self, source: str, factor: float | None) -> Entry | None:
        """An entry of the same text at the same factor, under whatever name."""
        row = self._base.execute(
            f"SELECT {COLUMNS} FROM documents WHERE source = ? AND factor IS ? LIMIT 1", (source, factor)
        ).fetchone()
        return None if row is None else Entry(*row)

    def any(self) -> Entry | None:
        """One of the entries; None where there are none."""
        row = self._base.execute(f"SELECT {COLUMNS} FROM documents LIMIT 1").fetchone()
        return None if row is None else Entry(*row)

    def entries(self) -> Iterator[Entry]:
        """All entries, those of a shard one after the other."""
        for row in self._base.execute(f"SELECT {COLUMNS} FROM documents ORDER BY shard, first, id"):
            yield Entry(*row)

    def ids(self) -> list[str]:
        """All ids, sorted."""
        return [str(row[0]) for row in self._base.execute("SELECT id FROM documents ORDER BY id")]

    def shards(self) -> set[str]:
        """Files that entries point to."""
        return {str(row[0]) for row in self._base.execute("SELECT DISTINCT shard FROM documents")}
