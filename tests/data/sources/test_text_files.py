"""Text files as documents."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from arc_encoder.core.errors import DataError
from arc_encoder.data.sources.text_files import TextDocuments


def test_a_file_is_a_document(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("first\n\nstill the first\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress("zweite ü".encode()))
    source = TextDocuments(f"{tmp_path}/*")
    assert [(Path(document.id).name, document.text) for document in source] == [
        ("a.txt", "first\n\nstill the first"),
        ("b.txt.gz", "zweite ü"),
    ]


def test_paragraphs_end_at_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\n\none\ntwo ü\n \n\nthree\n\n")
    source = TextDocuments(str(path), paragraphs=True)
    assert [document.text for document in source] == ["one\ntwo ü", "three"]
    assert source[0].id == f"{path}@2"
    with pytest.raises(IndexError):
        source[2]


@pytest.mark.parametrize(("content", "words"), [(b"", "is empty"), (b"caf\xe9\n", ":1: not valid UTF-8")])
def test_bad_files_stop_or_are_skipped(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "bad.txt").write_bytes(content)
    (tmp_path / "good.txt").write_text("good")
    with pytest.raises(DataError, match=rf"bad\.txt.*{words}.*leave such files out"):
        TextDocuments(f"{tmp_path}/*.txt")
    with pytest.warns(UserWarning, match="1 bad files were skipped"):
        source = TextDocuments(f"{tmp_path}/*.txt", on_error="skip")
    assert [document.text for document in source] == ["good"]
    assert source.skipped.count == 1


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file matches"):
        TextDocuments(str(tmp_path / "*.txt"))
