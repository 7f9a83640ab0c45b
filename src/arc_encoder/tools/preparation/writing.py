"""Writing records: JSON lines into a file that appears only when it is whole, and a manifest beside it."""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from arc_encoder.core.atomic import atomic_file
from arc_encoder.core.errors import writing
from arc_encoder.tools.preparation.conversion import LeftOut, Record

REASONS = 50  # different reasons that a manifest lists


@contextmanager
def atomic_writer(path: Path) -> Iterator[TextIO]:
    """A text file that gets its name when the block ends well, and vanishes otherwise; .gz is compressed.

    Raises:
        ConfigError: it cannot be written.
    """
    with writing(path), atomic_file(path) as raw:
        packed: Any = gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) if path.suffix == ".gz" else raw
        with io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as text:
            yield text


class Writer:
    """Counts and writes the records of one output file."""

    def __init__(self, file: TextIO, name: str) -> None:
        self.file, self.name = file, name
        self.written = 0
        self.left_out: Counter[str] = Counter()

    def add(self, item: Record | LeftOut) -> None:
        """Write a record, or count why it is not there."""
        if isinstance(item, LeftOut):
            known = item.reason in self.left_out or len(self.left_out) < REASONS
            self.left_out[item.reason if known else "other reasons"] += 1
            return
        line = {"id": f"{self.name}-{self.written:06d}", **item}
        self.file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace").decode() + "\n")
        self.written += 1

    def counts(self) -> dict[str, Any]:
        """What a manifest says."""
        return {"records": self.written, "left_out": dict(self.left_out.most_common())}


def manifest_of(path: Path) -> Path:
    """The manifest beside a prepared file."""
    return path.with_name(f"{path.name}.manifest.json")


def held_out_of(path: Path) -> Path:
    """Where the records go that are held out from a prepared file."""
    stem, dot, ending = path.name.partition(".")
    return path.with_name(f"{stem}_held_out{dot}{ending}")


def write_manifest(path: Path, content: dict[str, Any]) -> None:
    """Write the manifest of a prepared file, atomically."""
    with atomic_writer(manifest_of(path)) as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
