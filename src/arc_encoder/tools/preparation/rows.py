"""Rows of a file in whatever format it comes: parquet, JSONL, JSON, CSV, TSV, text (one row a file), or JSONL in a .zip."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from arc_encoder.core.errors import DataError, needing
from arc_encoder.data.sources.files.line_index import parse_line
from arc_encoder.data.sources.files.packed import open_text
from arc_encoder.data.sources.jsonl import read_jsonl
from arc_encoder.tools.preparation.conversion import Row

TABLES = (".csv", ".tsv")
LINES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".json.gz")
READABLE = (".parquet", ".json", ".txt", *LINES, *TABLES)


def read_rows(path: Path) -> Iterator[Row]:
    """Rows of one file.

    A JSON file may hold a list of rows, an object with such a list in its field ``data``, or an
    object of rows by id. Lists nested in rows stay nested; the conversions know them.

    Raises:
        DataError: an unknown format, or a file that cannot be read.
    """
    name = path.name.lower()
    if name.endswith(".parquet"):
        yield from _parquet(path)
    elif name.endswith(LINES):
        for _, record in read_jsonl(path, ()):
            yield record
    elif name.endswith(".json"):
        yield from _json(path)
    elif name.endswith(".txt"):
        with open_text(path) as file:
            yield {"id": path.stem, "text": file.read()}
    elif name.endswith(TABLES):
        with open_text(path) as lines:
            yield from csv.DictReader(lines, delimiter="\t" if name.endswith(".tsv") else ",")
    else:
        raise DataError(f"{path}: unknown format; expected one of {', '.join(READABLE)}")


def _parquet(path: Path) -> Iterator[Row]:
    with needing(f"{path} needs pyarrow", "datasets", DataError):
        import pyarrow
        import pyarrow.parquet
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                yield from batch.to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} cannot be read as parquet: {error}") from error


def _json(path: Path) -> Iterator[Row]:
    with open_text(path) as file:
        text = file.read()
    try:
        yield from rows_of(json.loads(text), path)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise DataError(f"{path} is not valid JSON: {error}") from error
        for _, record in read_jsonl(path, ()):  # one object a line, under the name .json
            yield record


def rows_of(value: Any, path: Path) -> Iterator[Row]:
    """Rows of a JSON value.

    Raises:
        DataError: it holds no rows.
    """
    if isinstance(value, Mapping):
        inner = next((value[key] for key in ("data", "Data") if isinstance(value.get(key), list)), None)
        if inner is None and value and all(isinstance(each, Mapping) for each in value.values()):
            inner = [{"id": key, **each} for key, each in value.items()]
        value = inner
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise DataError(f"{path}: expected a JSON list of objects, or an object that holds one under 'data'")
    yield from value


def members(path: Path, endings: tuple[str, ...] = (".jsonl", ".json")) -> list[str]:
    """Names of a zip's files with these endings, without hidden ones.

    Raises:
        DataError: it is no zip file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{path} is no readable zip file: {error}") from error
    hidden = ("__MACOSX", ".")
    return sorted(
        n for n in names if n.endswith(endings) and not Path(n).name.startswith(hidden) and not n.startswith(hidden)
    )


def read_member(path: Path, member: str) -> Iterator[Row]:
    """Rows of a JSONL file inside a zip.

    Raises:
        DataError: a line that is no JSON object.
    """
    with zipfile.ZipFile(path) as archive, archive.open(member) as raw:
        for number, line in enumerate(raw, start=1):
            if not line.strip():
                continue
            problem, row = parse_line(line)
            if problem is not None:
                raise DataError(f"{path}, {member}:{number}: {problem}")
            yield row
