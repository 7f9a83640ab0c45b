"""Records from JSONL files, plain, .gz or .zst.

A broken line is named with its file and number, and either stops the run or is skipped
and counted, as the configuration says.
"""

from __future__ import annotations

import glob
import gzip
import io
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TextIO

from arc_encoder.data.records import Document, Question
from arc_encoder.errors import ConfigError, DataError

OnError = Literal["stop", "skip"]


def open_text(path: Path) -> TextIO:
    """Open a text file for reading, decompressing by its ending."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    if path.suffix == ".zst":
        try:
            import zstandard
        except ImportError as error:
            raise DataError(f"{path} is compressed with Zstandard; install it with: pip install 'arc-encoder[zstd]'") from error
        return io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(path.open("rb")), encoding="utf-8")
    return path.open(encoding="utf-8")


def matching_files(pattern: str | Path) -> list[Path]:
    """Files of a path or glob pattern, sorted.

    Raises:
        DataError: nothing matches.
    """
    found = sorted(Path(name) for name in glob.glob(str(pattern), recursive=True) if Path(name).is_file())
    if not found:
        raise DataError(f"no file matches {str(pattern)!r}; give a path or glob of JSONL files (.jsonl, .jsonl.gz, .jsonl.zst)")
    return found


def read_jsonl(pattern: str | Path, required: tuple[str, ...], on_error: OnError = "stop") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ("file:line", record) for each line that is an object with the required fields.

    Args:
        pattern: path or glob.
        required: fields that must be there and not empty.
        on_error: ``stop`` raises at the first bad line, ``skip`` warns with a count at the end.

    Raises:
        DataError: a bad line (with on_error=stop), or a file that cannot be read.
    """
    if on_error not in ("stop", "skip"):
        raise ConfigError(f"on_error={on_error!r} is unknown; choose stop or skip")
    skipped: list[str] = []
    for path in matching_files(pattern):
        number = 0
        try:
            with open_text(path) as lines:
                for number, line in enumerate(lines, start=1):
                    if not line.strip():
                        continue
                    where = f"{path}:{number}"
                    problem, record = _parse(line, required)
                    if problem is None:
                        yield where, record
                    elif on_error == "stop":
                        raise DataError(f"{where}: {problem}; repair the line, or set on_error=skip to leave such lines out")
                    else:
                        skipped.append(f"{where}: {problem}")
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise DataError(f"{path} cannot be read after line {number}: {error}") from error
    if skipped:
        shown = "; ".join(skipped[:3])
        warnings.warn(f"{len(skipped)} bad lines were skipped, first: {shown}", stacklevel=2)


def _parse(line: str, required: tuple[str, ...]) -> tuple[str | None, dict[str, Any]]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        return f"not valid JSON ({error.msg}, column {error.colno})", {}
    if not isinstance(record, dict):
        return f"expected a JSON object, found {type(record).__name__}", {}
    missing = [field for field in required if not record.get(field)]
    if missing:
        return f"missing or empty field {', '.join(map(repr, missing))} (found: {', '.join(record) or 'none'})", {}
    return None, record


class JsonlDocuments:
    """Documents of JSONL files.

    Args:
        path: file or glob.
        text_field: field that holds the text.
        on_error: what a broken line does: ``stop`` or ``skip``.
    """

    def __init__(self, path: str, *, text_field: str = "text", on_error: OnError = "stop") -> None:
        self.documents: list[Document] = []
        for where, record in read_jsonl(path, (text_field,), on_error):
            if not isinstance(record[text_field], str):
                raise DataError(f"{where}: field {text_field!r} holds {type(record[text_field]).__name__}, expected text")
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
        known = {name: name for name in ("question", "answers", "answer", "passages")}
        unknown = sorted(set(fields or {}) - set(known))
        if unknown:
            raise ConfigError(f"fields: unknown name {', '.join(unknown)}; choose from {', '.join(known)}")
        names = {**known, **dict(fields or {})}
        self.questions: list[Question] = []
        for where, record in read_jsonl(path, (names["question"], names["passages"]), on_error):
            answers = record.get(names["answers"]) or record.get(names["answer"])
            if not answers:
                if on_error == "stop":
                    raise DataError(f"{where}: missing or empty field {names['answers']!r} (or {names['answer']!r})")
                warnings.warn(f"{where}: no answer, line skipped", stacklevel=2)
                continue
            passages = record[names["passages"]]
            self.questions.append(
                Question(
                    id=str(record.get("id", where)),
                    question=str(record[names["question"]]),
                    answers=(answers,) if isinstance(answers, str) else tuple(map(str, answers)),
                    passages=(passages,) if isinstance(passages, str) else tuple(map(str, passages)),
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
