"""Where a data set's rows come from: files that are here, or the hub.

Files are looked for first, in the folder that the user gives or in the data set's place below
`paths.corpus`; then the hub is asked through the library `datasets` (extra ``datasets``). Many older
sets have loading scripts that `datasets` 4 and later do not run any more; their tables are read
from the hub's own parquet conversion, the revision ``refs/convert/parquet``.
"""

from __future__ import annotations

import fnmatch
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.data.sources.files.packed import open_text
from arc_encoder.tools.preparation.conversion import Row
from arc_encoder.tools.preparation.rows import members, read_member, read_rows

PARQUET = "refs/convert/parquet"


class Origin(ABC):
    """A supply of rows.

    Args:
        files: patterns of the file names that it has outside the hub; the first pattern that matches counts.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self.files = tuple(files)

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What a manifest says about it."""

    @abstractmethod
    def fetch(self) -> Iterator[tuple[str, Row]]:
        """Rows from the hub, each with the name of its part.

        Raises:
            DataError: the hub cannot be reached, or does not have it.
        """

    @abstractmethod
    def read(self, path: Path) -> Iterator[tuple[str, Row]]:
        """Rows of a file, each with the name of its part.

        Raises:
            DataError: a file that cannot be read.
        """

    def find(self, given: Path) -> list[Path]:
        """The files of this origin at `given`, a file or a folder; empty if there are none."""
        if given.is_file():
            return [given]
        everything = sorted(path for path in given.rglob("*") if path.is_file()) if given.is_dir() else []
        for pattern in self.files:
            found = [path for path in everything if fnmatch.fnmatch(str(path.relative_to(given)), pattern)]
            found = found or [path for path in everything if fnmatch.fnmatch(path.name, pattern)]
            if found:
                return found
        return []

    def rows(self, given: str | None, place: Path) -> Iterator[tuple[str, Row]]:
        """Rows, each with the name of its part: from `given`, from `place` if files are there, or from the hub.

        Raises:
            ConfigError: nothing at `given`.
            DataError: nothing anywhere.
        """
        files = self.find(Path(given) if given else place)
        if given and not files:
            raise ConfigError(
                f"from={given}: {'no file there matches' if Path(given).is_dir() else 'no such file or folder; expected'} "
                f"{' or '.join(self.files)}"
            )
        if files:
            yield from self.read_all(files)
            return
        try:
            yield from self.fetch()
        except DataError as error:
            raise DataError(
                f"{error}\nTo continue without the hub, place one of these in {place}/ and start the same command again "
                f"(or name your copy with from=<file or folder>): {' | '.join(self.files)}"
            ) from error

    def read_all(self, files: Sequence[Path]) -> Iterator[tuple[str, Row]]:
        """Rows of several files, one after the other."""
        for path in files:
            yield from self.read(path)


class HubOrigin(Origin):
    """One split of a data set on the hub.

    Args:
        hub: its identifier.
        split: which split.
        files: patterns of the file names that it has outside the hub.
        config: its configuration; None takes whatever the hub's conversion calls it.
        revision: ``refs/convert/parquet`` reads the hub's parquet conversion, anything else is given to `load_dataset`.
        members: patterns of the files inside a .zip.
        parallel: text files of one sentence a line that belong together: the ``stem`` or ``suffix`` of each names its field.
    """

    def __init__(
        self,
        hub: str,
        split: str,
        files: Sequence[str],
        config: str | None = None,
        revision: str = PARQUET,
        members: Sequence[str] = ("*",),
        parallel: Literal["stem", "suffix"] | None = None,
    ) -> None:
        super().__init__(files)
        self.hub, self.split, self.config, self.revision = hub, split, config, revision
        self.members, self.parallel = tuple(members), parallel

    def describe(self) -> dict[str, Any]:
        return {"hub": self.hub, "config": self.config, "split": self.split, "revision": self.revision}

    def fetch(self) -> Iterator[tuple[str, Row]]:
        table: Any = ask_hub(self.hub, self._load)
        rows = iter(table)
        while (row := ask_hub(self.hub, lambda: next(rows, None))) is not None:
            yield self.split, row

    def _load(self) -> Any:
        from datasets import load_dataset

        if self.revision != PARQUET:
            return load_dataset(self.hub, self.config, split=self.split, revision=self.revision, streaming=True)
        for folder in (self.split, f"partial-{self.split}"):  # the hub converts only the beginning of very large ones
            files = f"hf://datasets/{self.hub}@{PARQUET}/{self.config or '*'}/{folder}/*.parquet"
            try:
                return load_dataset("parquet", data_files={self.split: files}, split=self.split, streaming=True)
            except FileNotFoundError as error:
                missing = error
        raise missing

    def read(self, path: Path) -> Iterator[tuple[str, Row]]:
        if path.suffix != ".zip":
            yield from ((self.split, row) for row in read_rows(path))
            return
        inside = members(path)
        chosen = [name for name in inside if any(fnmatch.fnmatch(name, pattern) for pattern in self.members)]
        if not chosen:
            raise DataError(
                f"{path} holds no {' or '.join(self.members)}; it holds: {', '.join(inside[:20]) or 'no JSONL file'}"
            )
        for name in chosen:
            yield from ((self.split, row) for row in read_member(path, name))

    def read_all(self, files: Sequence[Path]) -> Iterator[tuple[str, Row]]:
        texts = {path.stem if self.parallel == "stem" else path.suffix[1:]: path for path in files}
        if self.parallel is None or any(
            path.suffix in (".parquet", ".jsonl", ".gz", ".json", ".zip") for path in files
        ):
            yield from super().read_all(files)
            return
        columns = []
        for path in texts.values():
            with open_text(path) as lines:
                columns.append([line.rstrip("\n") for line in lines])
        if len({len(column) for column in columns}) > 1:
            counts = ", ".join(f"{path.name} {len(c)}" for path, c in zip(texts.values(), columns, strict=True))
            raise DataError(f"files of parallel sentences must have equally many lines, but: {counts}")
        for sentences in zip(*columns, strict=True):
            yield self.split, dict(zip(texts, sentences, strict=True))


def ask_hub(name: str, call: Any) -> Any:
    """What `call` returns.

    Raises:
        DataError: the hub cannot be reached or refuses, or a library is missing.
    """
    try:
        return call()
    except ImportError as error:
        raise DataError(
            f"{name} cannot be downloaded: {error.name} is missing; install it with: pip install 'arc-encoder[datasets]'"
        ) from error
    except (
        Exception
    ) as error:  # each library below has errors of its own for the same: not reached, not there, not allowed
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{name} cannot be downloaded from the hub ({type(error).__name__}: {reason})") from error
