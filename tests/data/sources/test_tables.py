"""Parquet files and Hugging Face data sets as sources."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.data.sources.hugging_face import hugging_face_documents, hugging_face_questions
from arc_encoder.data.sources.parquet import ParquetDocuments, ParquetQuestions

datasets = pytest.importorskip("datasets", reason="needs the extra datasets")

SQUAD = [
    {
        "id": str(i),
        "question": f"q{i}?",
        "context": f"text {i}",
        "answers": {"text": [f"a{i}", "b"], "answer_start": [0, 1]},
    }
    for i in range(4)
]
NAMES = {"passages": "context", "answers": "answers.text"}


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets_cache")
    datasets.disable_progress_bars()


def parquet(folder: Path, records: list[dict[str, Any]], name: str = "squad.train.parquet") -> str:
    datasets.Dataset.from_list(records).to_parquet(folder / name)
    return str(folder / name)


def test_parquet_questions_with_nested_answers(tmp_path: Path) -> None:
    source = ParquetQuestions(parquet(tmp_path, SQUAD), fields=NAMES)
    assert len(source) == 4
    question = source[2]
    assert (question.id, question.question, question.subset) == ("2", "q2?", "squad")
    assert (question.answers, question.passages) == (("a2", "b"), ("text 2",))
    assert [each.id for each in source] == ["0", "1", "2", "3"]
    assert list(pickle.loads(pickle.dumps(source))) == list(source)
    assert len(ParquetQuestions(parquet(tmp_path, SQUAD), fields=NAMES, limit=2)) == 2


def test_parquet_documents_of_several_files(tmp_path: Path) -> None:
    parquet(tmp_path, [{"text": "one"}, {"text": "two"}], "a.parquet")
    parquet(tmp_path, [{"text": "three"}], "b.parquet")
    source = ParquetDocuments(f"{tmp_path}/*.parquet")
    assert [document.text for document in source] == ["one", "two", "three"]
    assert source[2].id == f"{tmp_path}/*.parquet[2]"


def test_columns_that_are_not_there_are_named_at_once(tmp_path: Path) -> None:
    path = parquet(tmp_path, SQUAD)
    with pytest.raises(DataError, match=r"missing or empty field 'passages' \(found: id, question, context, answers\)"):
        ParquetQuestions(path)
    with pytest.raises(DataError, match="missing or empty field 'body'"):
        ParquetDocuments(path, text_field="body")
    with pytest.raises(DataError, match="no file matches"):
        ParquetDocuments(str(tmp_path / "none.parquet"))
    (tmp_path / "broken.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"broken\.parquet cannot be loaded"):
        ParquetDocuments(str(tmp_path / "broken.parquet"))


def test_bad_rows_stop_when_drawn_or_are_skipped(tmp_path: Path) -> None:
    path = parquet(tmp_path, [{"text": "one"}, {"text": ""}, {"text": "three"}])
    strict = ParquetDocuments(path)
    assert strict[0].text == "one"
    with pytest.raises(DataError, match=r"\[1\]: missing or empty field 'text'.*leave such rows out"):
        strict[1]
    with pytest.warns(UserWarning, match="1 bad rows were skipped"):
        source = ParquetDocuments(path, on_error="skip")
    assert [document.text for document in source] == ["one", "three"]
    assert (source.skipped.count, source[1].id) == (1, f"{path}[2]")
    with pytest.raises(IndexError):
        source[2]


def test_a_saved_data_set_with_splits(tmp_path: Path) -> None:
    folder = str(tmp_path / "saved")
    datasets.DatasetDict({"dev": datasets.Dataset.from_list(SQUAD)}).save_to_disk(folder)
    source = hugging_face_questions(folder, split="dev", fields=NAMES)
    assert [question.id for question in source] == ["0", "1", "2", "3"]
    assert source[0].subset == "saved"
    with pytest.raises(DataError, match="saved:train cannot be loaded"):
        hugging_face_questions(folder, fields=NAMES)


def test_a_stream_is_copied_once_up_to_its_limit(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "data.jsonl").write_text("".join(json.dumps({"text": f"text {i}"}) + "\n" for i in range(9)))
    source = hugging_face_documents(str(folder), streaming=True, limit=5)
    assert [document.text for document in source] == [f"text {i}" for i in range(5)]
    copies = list((tmp_path / "cache").glob("*.jsonl"))
    assert len(copies) == 1
    (folder / "data.jsonl").unlink()  # not needed any more
    assert len(hugging_face_documents(str(folder), streaming=True, limit=5)) == 5
    with pytest.raises(ConfigError, match="streaming needs a limit"):
        hugging_face_documents(str(folder), streaming=True)


def test_a_hub_name_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"nobody/nothing:train cannot be loaded.*save_to_disk"):
        hugging_face_documents("nobody/nothing")


def test_without_the_library_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path, SQUAD)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'arc-encoder\[datasets\]'"):
        ParquetDocuments(path)
