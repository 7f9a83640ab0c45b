"""Large files are read in place: the index in the cache, the records where they are."""

from __future__ import annotations

import gzip
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from arc_encoder.core.errors import DataError
from arc_encoder.data.sources.files import cache, line_index, packed
from arc_encoder.data.sources.files.packed import InMemory, OnDisk, open_bytes
from arc_encoder.data.sources.jsonl import JsonlDocuments, JsonlQuestions


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Everything counts as large, and the cache is in the test's folder."""
    monkeypatch.setattr(line_index, "LARGE", 0)
    monkeypatch.setattr(packed, "IN_MEMORY", 100)
    monkeypatch.setenv("ARC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(path: Path, count: int = 200, broken: int | None = None) -> str:
    lines = [json.dumps({"text": f"text {i} ü", "n": i}) for i in range(count)]
    if broken is not None:
        lines[broken] = "{"
    body = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(body) if path.suffix == ".gz" else body)
    return str(path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_records_are_the_same_with_and_without_the_cache(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / name)
    cached = list(JsonlDocuments(path))
    again = list(JsonlDocuments(path))
    monkeypatch.setattr(line_index, "LARGE", 10**9)
    monkeypatch.setattr(packed, "IN_MEMORY", 10**9)
    assert cached == again == list(JsonlDocuments(path))
    assert [document.text for document in cached] == [f"text {i} ü" for i in range(200)]
    assert cached[3].id == f"{path}:4"


def test_the_index_is_made_once_for_a_file_and_a_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, made = write(tmp_path / "a.jsonl"), []
    parse = line_index.parse_line
    monkeypatch.setattr(line_index, "parse_line", lambda line: made.append(1) or parse(line))
    JsonlDocuments(path)
    assert len(made) == 200
    JsonlDocuments(path)
    assert len(made) == 200
    JsonlDocuments(path, text_field="text", on_error="skip")
    assert len(made) == 200
    with pytest.raises(DataError, match="missing or empty field 'n'"):
        JsonlDocuments(path, text_field="n")
    os.utime(path, ns=(1, 1))  # changed since
    JsonlDocuments(path)
    assert len(made) > 400


def test_a_broken_line_is_told_from_the_cache_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", broken=7)
    for _ in range(2):
        with pytest.warns(UserWarning, match=f"1 bad lines were skipped, first: {path}:8: not valid JSON"):
            documents = JsonlDocuments(path, on_error="skip")
        assert (len(documents), documents.skipped.count) == (199, 1)
        assert documents.skipped.first[0].startswith(f"{path}:8: not valid JSON")
        assert documents[7].id == f"{path}:9"
    with pytest.raises(DataError, match=rf"{path}:8: not valid JSON.*leave such lines out"):
        JsonlDocuments(path)


def test_a_file_of_broken_lines_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", count=1, broken=0)
    for _ in range(2):
        with pytest.warns(UserWarning, match="1 bad lines"), pytest.raises(DataError, match="holds no document"):
            JsonlDocuments(path, on_error="skip")


def test_small_files_leave_no_trace(small_limits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_index, "LARGE", 10**9)
    monkeypatch.setattr(packed, "IN_MEMORY", 10**9)
    for name in ("a.jsonl", "a.jsonl.gz"):
        JsonlDocuments(write(tmp_path / name))
    assert not small_limits.exists()
    assert isinstance(open_bytes(tmp_path / "a.jsonl.gz"), InMemory)


def test_workers_open_the_file_for_themselves(tmp_path: Path) -> None:
    documents = JsonlDocuments(write(tmp_path / "a.jsonl"))
    assert documents[0].text == "text 0 ü"
    loaded = torch.utils.data.DataLoader(documents, batch_size=None, num_workers=2)  # type: ignore[arg-type]
    assert [document.text for document in loaded] == [document.text for document in documents]
    copy = pickle.loads(pickle.dumps(documents))
    assert list(copy) == list(documents)


def test_a_file_that_was_changed_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    documents = JsonlDocuments(write(path))
    write(path, count=300)
    with pytest.raises(DataError, match=r"a\.jsonl was changed since it was read first"):
        documents[0]
    documents = JsonlDocuments(str(path))
    path.unlink()
    with pytest.raises(DataError, match="cannot be opened again"):
        documents[0]


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.jsonl")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ARC_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match="ARC_CACHE to another folder"):
        JsonlDocuments(path)


def test_a_full_disk_leaves_nothing_half_made(
    small_limits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.jsonl")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cache.os, "replace", full)
        with pytest.raises(DataError, match="No space left on device"):
            JsonlDocuments(path)
    assert not [file for file in small_limits.iterdir() if file.suffix != ".lock"]
    assert len(JsonlDocuments(path)) == 200


def test_a_limit_reads_no_further(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = json.dumps({"question": "q", "answers": ["a"], "passages": ["p"]})
    path.write_text(f"{good}\n{good}\nbroken\n")
    assert len(JsonlQuestions(str(path), limit=2)) == 2
    with pytest.raises(DataError, match=":3: not valid JSON"):
        JsonlQuestions(str(path))


def test_places_outside_of_the_file(tmp_path: Path) -> None:
    documents = JsonlDocuments(write(tmp_path / "a.jsonl", count=3))
    with pytest.raises(IndexError):
        documents[3]
    assert isinstance(open_bytes(tmp_path / "a.jsonl"), OnDisk)
