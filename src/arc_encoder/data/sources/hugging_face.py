"""Documents and questions of Hugging Face data sets, local or from the hub, whole or streamed (extra `datasets`).

A stream has no places, so its first records are copied once into our cache as JSONL and read like
any other file: a run on them resumes exactly, with any number of workers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from filelock import FileLock
from tqdm import tqdm

from arc_encoder.core.atomic import atomic_path
from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.data.sources.fields import DocumentFields, QuestionFields
from arc_encoder.data.sources.files.cache import cache_folder
from arc_encoder.data.sources.jsonl import JsonlDocuments, JsonlQuestions, OnError
from arc_encoder.data.sources.tables import TableDocuments, TableQuestions, loaded


def hugging_face_documents(
    path: str,
    *,
    name: str | None = None,
    split: str = "train",
    revision: str | None = None,
    streaming: bool = False,
    text_field: str = "text",
    limit: int | None = None,
    on_error: OnError = "stop",
) -> TableDocuments | JsonlDocuments:
    """Documents of a Hugging Face data set.

    Args:
        path: hub name, or a folder that `save_to_disk` wrote.
        name: configuration of the data set.
        split: part of it.
        revision: hub revision.
        streaming: copy the first `limit` records and nothing else; the rest is not downloaded.
        text_field: column that holds the text; with dots for a nested one.
        limit: use only so many records.
        on_error: what a bad record does: ``stop`` or ``skip``.

    Raises:
        DataError: it cannot be loaded, or holds a bad record.
    """
    fields = DocumentFields(text_field)
    if streaming:
        file = spooled(path, name, split, revision, limit)
        return JsonlDocuments(str(file), text_field=text_field, on_error=on_error)
    return TableDocuments(
        hugging_face_table(path, name, split, revision), _label(path, name, split), fields, on_error, limit
    )


def hugging_face_questions(
    path: str,
    *,
    name: str | None = None,
    split: str = "train",
    revision: str | None = None,
    streaming: bool = False,
    fields: Mapping[str, str] | None = None,
    subset: str | None = None,
    limit: int | None = None,
    on_error: OnError = "stop",
) -> TableQuestions | JsonlQuestions:
    """Questions of a Hugging Face data set.

    Args:
        path, name, split, revision, streaming, limit, on_error: see `hugging_face_documents`.
        fields: other names for the fields, such as {"answers": "answers.text"}.
        subset: name of the data set for few-shot examples; None takes it from `path`.

    Raises:
        DataError: it cannot be loaded, or holds a bad record.
    """
    named = subset or Path(path).name
    if streaming:
        file = spooled(path, name, split, revision, limit)
        return JsonlQuestions(str(file), fields=fields, subset=named, on_error=on_error)
    table = hugging_face_table(path, name, split, revision)
    return TableQuestions(table, _label(path, name, split), QuestionFields(fields), named, on_error, limit)


def hugging_face_table(path: str, name: str | None, split: str, revision: str | None) -> Any:
    """The rows of one split of a data set.

    Raises:
        DataError: it cannot be loaded, or the library is missing.
    """

    def load(datasets: Any) -> Any:
        if (Path(path) / "dataset_info.json").is_file():
            return datasets.load_from_disk(path)
        if (Path(path) / "dataset_dict.json").is_file():
            return datasets.load_from_disk(path)[split]
        return datasets.load_dataset(path, name, split=split, revision=revision)

    return loaded(_label(path, name, split), load)


def spooled(path: str, name: str | None, split: str, revision: str | None, limit: int | None) -> Path:
    """The first `limit` records of a stream as a JSONL file in the cache, copied once.

    Raises:
        ConfigError: no limit.
        DataError: it cannot be loaded, or the cache cannot be written.
    """
    if limit is None:
        raise ConfigError(
            f"{path}: streaming needs a limit, the number of records to copy; a stream has no end that is known"
        )
    key = f"{path} {name} {split} {revision} {limit}"
    target = cache_folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}-{Path(path).name}.jsonl"
    with FileLock(f"{target}.lock"):
        if not target.exists():
            stream = loaded(
                _label(path, name, split),
                lambda datasets: datasets.load_dataset(path, name, split=split, revision=revision, streaming=True),
            )
            with atomic_path(target) as fresh:
                _copy(stream, fresh, limit, _label(path, name, split))
    return target


def _copy(stream: Iterable[Any], target: Path, limit: int, label: str) -> None:
    try:
        with target.open("w", encoding="utf-8") as file:
            for record in tqdm(islice(iter(stream), limit), total=limit, desc=f"copying {label}", unit=" records"):
                file.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")
    except OSError as error:
        raise DataError(f"{label} cannot be copied to {target.parent}: {error}") from error


def _label(path: str, name: str | None, split: str) -> str:
    return ":".join(part for part in (path, name, split) if part)
