"""Records from JSONL files, plain, .gz or .zst.

A broken line is named with its file and number, and either stops the run or is skipped
and counted, as the configuration says.
"""

from __future__ import annotations

import glob
import gzip
import io
import json
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TextIO

from arc_encoder.data.records import Document, Question
from arc_encoder.errors import ConfigError, DataError

OnError = Literal["stop", "skip"]
Check = Callable[[dict[str, Any]], str | None]


def open_text(path: Path) -> TextIO:
    """Open a text file for reading, decompressing by its ending.

    Bytes that are not UTF-8 become lone surrogates, so that only their line is bad and not the whole file.
    """
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="surrogateescape")
    if path.suffix == ".zst":
        try:
            import zstandard
        except ImportError as error:
            raise DataError(
                f"{path} is compressed with Zstandard; install it with: pip install 'arc-encoder[zstd]'"
            ) from error
        unpacked = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True)
        return io.TextIOWrapper(unpacked, encoding="utf-8", errors="surrogateescape")
    return path.open(encoding="utf-8", errors="surrogateescape")


def matching_files(pattern: str | Path) -> list[Path]:
    """Files of a path or glob pattern, sorted.

    Raises:
        DataError: nothing matches.
    """
    if Path(pattern).is_file():  # its name may hold brackets
        return [Path(pattern)]
    found = sorted(Path(name) for name in glob.glob(str(pattern), recursive=True) if Path(name).is_file())
    if not found:
        raise DataError(
            f"no file matches {str(pattern)!r}; give a path or glob of JSONL files (.jsonl, .jsonl.gz, .jsonl.zst)"
        )
    return found


def read_jsonl(
    pattern: str | Path, required: tuple[str, ...], on_error: OnError = "stop", check: Check | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ("file:line", record) for each line that is an object with the required fields.

    Args:
        pattern: path or glob.
        required: fields that must be there and not empty.
        on_error: ``stop`` raises at the first bad line, ``skip`` warns with a count at the end.
        check: names what else is wrong with a record, or returns None.

    Raises:
        DataError: a bad line (with on_error=stop), or a file that cannot be read.
    """
    if on_error not in ("stop", "skip"):
        raise ConfigError(f"on_error={on_error!r} is unknown; choose stop or skip")
    skipped: list[str] = []
    try:
        for path in matching_files(pattern):
            number = 0
            try:
                with open_text(path) as lines:
                    for number, line in enumerate(lines, start=1):
                        if not line.strip():
                            continue
                        where = f"{path}:{number}"
                        problem, record = _parse(line, required)
                        if problem is None and check is not None:
                            problem = check(record)
                        if problem is None:
                            yield where, record
                        elif on_error == "stop":
                            raise DataError(
                                f"{where}: {problem}; repair the line, or set on_error=skip to leave such lines out"
                            )
                        else:
                            skipped.append(f"{where}: {problem}")
            except _unreadable() as error:
                raise DataError(f"{path} cannot be read after line {number}: {error}") from error
    finally:  # also when the reader stops early
        if skipped:
            warnings.warn(f"{len(skipped)} bad lines were skipped, first: {'; '.join(skipped[:3])}", stacklevel=2)


def _unreadable() -> tuple[type[Exception], ...]:
    """What reading a damaged file raises; zstandard has an error of its own."""
    zstandard = sys.modules.get("zstandard")
    return (OSError, EOFError, zlib.error, *([zstandard.ZstdError] if zstandard else []))


def _parse(line: str, required: tuple[str, ...]) -> tuple[str | None, dict[str, Any]]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        return f"not valid JSON ({error.msg}, column {error.colno})", {}
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        return f"not usable JSON ({error})", {}
    escaped = "\\ud" in line or "\\uD" in line  # half of a surrogate pair may be written as an escape
    if not _encodable(line) or (escaped and not _encodable(json.dumps(record, ensure_ascii=False))):
        return "not valid UTF-8 (a stray byte or half of a surrogate pair)", {}
    if not isinstance(record, dict):
        return f"expected a JSON object, found {type(record).__name__}", {}
    missing = [field for field in required if not record.get(field)]
    if missing:
        return f"missing or empty field {', '.join(map(repr, missing))} (found: {', '.join(record) or 'none'})", {}
    return None, record


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _texts(value: Any) -> tuple[str, ...]:
    """A text or number, or the not empty ones of a list, as texts; nothing if it is something else."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str | int | float) for each in values):
        return ()
    return tuple(text for each in values if (text := str(each)).strip())


class JsonlDocuments:
    """Documents of JSONL files.

    Args:
        path: file or glob.
        text_field: field that holds the text.
        on_error: what a broken line does: ``stop`` or ``skip``.
    """

    def __init__(self, path: str, *, text_field: str = "text", on_error: OnError = "stop") -> None:
        def check(record: dict[str, Any]) -> str | None:
            found = type(record[text_field]).__name__
            return None if found == "str" else f"field {text_field!r} holds {found}, expected text"

        self.documents: list[Document] = []
        for where, record in read_jsonl(path, (text_field,), on_error, check):
            self.documents.append(Document(str(record.get("id", where)), record[text_field]))
        if not self.documents:
            raise DataError(f"{path} holds no document")

    def __len__(self) -> int:
        return len(self.documents)

    def __getitem__(self, index: int) -> Document:
        return self.documents[index]


class JsonlQuestions:
    """Questions of JSONL files, with fields question, answers (or answer) and passages.

    Args:
        path: file or glob.
        fields: other names for these fields, such as {"question": "query"}.
        subset: name of the data set; None takes it from the file's name.
        limit: use only so many records.
        on_error: what a broken line does: ``stop`` or ``skip``.
    """

    def __init__(
        self,
        path: str,
        *,
        fields: Mapping[str, str] | None = None,
        subset: str | None = None,
        limit: int | None = None,
        on_error: OnError = "stop",
    ) -> None:
        if limit is not None and limit < 1:
            raise ConfigError(f"limit={limit} must be at least 1; leave it out to use every record")
        known = {name: name for name in ("question", "answers", "answer", "passages")}
        unknown = sorted(set(fields or {}) - set(known))
        if unknown:
            raise ConfigError(f"fields: unknown name {', '.join(unknown)}; choose from {', '.join(known)}")
        names = {**known, **dict(fields or {})}

        def answers(record: dict[str, Any]) -> tuple[str, ...]:
            return _texts(record.get(names["answers"])) or _texts(record.get(names["answer"]))

        def check(record: dict[str, Any]) -> str | None:
            if not _texts(record[names["passages"]]):
                return f"field {names['passages']!r} holds no text or list of texts"
            return (
                None
                if answers(record)
                else f"no text or list of texts in field {names['answers']!r} (or {names['answer']!r})"
            )

        self.questions: list[Question] = []
        for where, record in read_jsonl(path, (names["question"], names["passages"]), on_error, check):
            self.questions.append(
                Question(
                    id=str(record.get("id", where)),
                    question=str(record[names["question"]]),
                    answers=answers(record),
                    passages=_texts(record[names["passages"]]),
                    subset=subset or Path(where.rsplit(":", 1)[0]).name.split(".")[0],
                )
            )
            if limit is not None and len(self.questions) >= limit:
                break
        if not self.questions:
            raise DataError(f"{path} holds no question")

    def __len__(self) -> int:
        return len(self.questions)

    def __getitem__(self, index: int) -> Question:
        return self.questions[index]
