"""Documents to compress: JSON lines, a JSON array, or text files, by what their names say.

Endings count in any case, with .gz or .zst behind them: .jsonl, .ndjson and .jsonlines hold a document a line, .json a
list or a document a line, every other file is one document.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from arc_encoder.core.errors import DataError
from arc_encoder.data.records import Document
from arc_encoder.data.sources.fields import DocumentFields
from arc_encoder.data.sources.files.packed import unpacking, unreadable
from arc_encoder.data.sources.jsonl import JsonlDocuments, OnError, check_on_error, matching_files
from arc_encoder.inference.generation.prompts import unicode_problem

LINES = (".jsonl", ".ndjson", ".jsonlines")
PACKED = (".gz", ".zst")
BEGINNING = 4096  # bytes in which a JSON file shows whether it is a list


def read_documents(
    pattern: str,
    *,
    text_field: str = "text",
    on_error: OnError = "stop",
    on_read: Callable[[int], object] | None = None,
) -> Iterator[Document]:
    """Documents of the files that match, in order, one after the other.

    Args:
        text_field: field of a JSON record that holds the text; with dots for a nested one.
        on_read: is told after each document how many bytes of the files have been read since the last one.

    Raises:
        DataError: nothing matches, no document is there, or a bad one; with its file and place.
    """
    check_on_error(on_error)
    count = 0
    for file in matching_files(pattern, "files of documents"):
        for document in read_file(file, text_field=text_field, on_error=on_error, on_read=on_read):
            count += 1
            yield document
    if not count:
        raise DataError(f"{pattern} holds no document")


def read_file(
    file: Path,
    *,
    text_field: str = "text",
    on_error: OnError = "stop",
    on_read: Callable[[int], object] | None = None,
) -> Iterator[Document]:
    """Documents of one file; perhaps none, if bad ones are skipped.

    Args and errors: see `read_documents`.
    """
    size, reported = file.stat().st_size, 0
    documents, number = _reader(file)(file, text_field, on_error)
    for place, document in enumerate(documents, start=1):
        yield document
        if on_read is not None:
            on_read(size * place // number - reported)
            reported = size * place // number


def bytes_to_read(pattern: str) -> int:
    """Size on disk of all files that match.

    Raises:
        DataError: nothing matches.
    """
    return sum(file.stat().st_size for file in matching_files(pattern, "files of documents"))


def _reader(file: Path) -> Callable[[Path, str, OnError], tuple[Iterable[Document], int]]:
    endings = [suffix.lower() for suffix in file.suffixes]
    if endings and endings[-1] in PACKED:
        endings.pop()
    ending = endings[-1] if endings else ""
    if ending in LINES:
        return _lines
    if ending == ".json":
        return _array if _begins_with_bracket(file) else _lines
    return _text


def _lines(file: Path, text_field: str, on_error: OnError) -> tuple[Iterable[Document], int]:
    found = JsonlDocuments(str(file), text_field=text_field, on_error=on_error)
    return found, len(found)


def _array(file: Path, text_field: str, on_error: OnError) -> tuple[Iterable[Document], int]:
    fields = DocumentFields(text_field)
    try:
        records = json.loads(_content(file))
    except ValueError as error:
        raise DataError(f"{file} is no valid JSON: {error}") from error
    return _of_records(file, records, fields, on_error), len(records)


def _of_records(file: Path, records: list[Any], fields: DocumentFields, on_error: OnError) -> Iterator[Document]:
    for number, record in enumerate(records, start=1):
        where = f"{file}:{number}"
        problem = (
            fields.problem(record) if isinstance(record, dict) else f"{type(record).__name__} instead of an object"
        )
        if problem is None:
            document = fields.document(record, where)
            problem = next((reason for text in (document.id, document.text) if (reason := unicode_problem(text))), None)
        if problem is None:
            yield document
        elif on_error == "stop":
            raise DataError(f"{where}: {problem}; repair it, or let such be skipped", advice="skip")
        else:
            warnings.warn(f"{where}: {problem}; left out", stacklevel=2)


def _text(file: Path, text_field: str, on_error: OnError) -> tuple[Iterable[Document], int]:
    try:
        text = _content(file).decode("utf-8-sig")  # without a byte-order mark
        problem = "" if text.strip() else f"{file} is empty: there is nothing to compress"
    except UnicodeDecodeError as error:
        problem = f"{file} is not UTF-8 text: {error}"
    if not problem:
        return [Document(str(file), text)], 1
    if on_error == "stop":
        raise DataError(f"{problem}; leave it out, or let such be skipped", advice="skip")
    warnings.warn(f"{problem}; left out", stacklevel=2)
    return [], 1


def _begins_with_bracket(file: Path) -> bool:
    return _content(file, BEGINNING).decode("utf-8-sig", errors="ignore").lstrip().startswith("[")


def _content(file: Path, max_bytes: int = -1) -> bytes:
    """The first `max_bytes` bytes of a file, unpacked; all of them by default."""
    try:
        with unpacking(file) as stream:
            return stream.read(max_bytes)
    except unreadable() as error:
        raise DataError(f"{file} cannot be read ({error}); is it whole, and compressed as its name says?") from error
