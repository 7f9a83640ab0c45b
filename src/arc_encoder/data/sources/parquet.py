"""Documents and questions of Parquet files (extra `datasets`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arc_encoder.data.sources.fields import DocumentFields, QuestionFields
from arc_encoder.data.sources.jsonl import OnError, matching_files
from arc_encoder.data.sources.tables import TableDocuments, TableQuestions, loaded


class ParquetDocuments(TableDocuments):
    """Documents of Parquet files.

    Args:
        path: file or glob.
        text_field: column that holds the text; with dots for a nested one.
        limit: use only so many rows.
        on_error: what a bad row does: ``stop`` or ``skip``.

    Raises:
        DataError: nothing there, or a bad row.
    """

    def __init__(
        self, path: str, *, text_field: str = "text", limit: int | None = None, on_error: OnError = "stop"
    ) -> None:
        super().__init__(parquet_table(path), path, DocumentFields(text_field), on_error, limit)


class ParquetQuestions(TableQuestions):
    """Questions of Parquet files.

    Args:
        path: file or glob.
        fields: other names for the fields, such as {"answers": "answers.text"}.
        subset: name of the data set; None takes it from the first file's name.
        limit: use only so many rows.
        on_error: what a bad row does: ``stop`` or ``skip``.

    Raises:
        DataError: nothing there, or a bad row.
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
        named = subset or matching_files(path, "Parquet files")[0].name.split(".")[0]
        super().__init__(parquet_table(path), path, QuestionFields(fields), named, on_error, limit)


def parquet_table(path: str) -> Any:
    """The rows of Parquet files, in order.

    Raises:
        DataError: no file, a damaged one, or the library is missing.
    """
    files = [str(file) for file in matching_files(path, "Parquet files")]
    return loaded(path, lambda datasets: datasets.load_dataset("parquet", data_files=files, split="train"))
