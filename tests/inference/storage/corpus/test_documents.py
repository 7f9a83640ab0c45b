"""Documents of every kind of file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from arc_encoder.core.errors import DataError
from arc_encoder.inference.storage.corpus.documents import read_documents

LINES = '{"id": "a", "text": "one"}\n{"text": "two"}\n'


@pytest.mark.parametrize("name", ["d.jsonl", "d.ndjson", "d.jsonlines", "d.JSONL", "d.json", "d.Jsonl.GZ"])
def test_a_document_a_line(tmp_path: Path, name: str) -> None:
    content = gzip.compress(LINES.encode()) if name.lower().endswith(".gz") else LINES.encode()
    (tmp_path / name).write_bytes(content)
    found = list(read_documents(str(tmp_path / name)))
    assert [(each.id, each.text) for each in found] == [("a", "one"), (f"{tmp_path / name}:2", "two")]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_list(tmp_path: Path, mark: bytes) -> None:
    records = [{"id": "a", "body": {"text": "one"}}, {"body": {"text": "two"}}]
    (tmp_path / "d.json").write_bytes(mark + json.dumps(records, indent=1).encode())
    found = list(read_documents(str(tmp_path / "d.json"), text_field="body.text"))
    assert [(each.id, each.text) for each in found] == [("a", "one"), (f"{tmp_path / 'd.json'}:2", "two")]


@pytest.mark.parametrize("name", ["d.txt", "d.md", "noending", "d.txt.gz", "d.v2.text"])
def test_a_text(tmp_path: Path, name: str) -> None:
    content = b"\xef\xbb\xbf" + "a tëxt\nof two lines".encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    (found,) = read_documents(str(tmp_path / name))
    assert (found.id, found.text) == (str(tmp_path / name), "a tëxt\nof two lines")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("d.txt", b"\xff\xfe", "d.txt is not UTF-8 text"),
        ("d.txt", b" \n", "d.txt is empty"),
        ("d.txt.gz", b"no gzip", "d.txt.gz cannot be read"),
        ("d.txt.gz", gzip.compress(b"x" * 5000, mtime=0)[:-9], "d.txt.gz cannot be read"),
        ("d.json", b'[{"text": "good"}, 3]', "d.json:2: int instead of an object"),
        ("d.json", b'[{"text": "good"}, {"body": "x"}]', "d.json:2: missing or empty field 'text'"),
        ("d.json", b'[{"text": "good"}', "d.json is no valid JSON"),
        ("d.jsonl", b'{"text": "good"}\n{"text"\n', "d.jsonl:2: not valid JSON"),
        ("d.json", b"[]", "holds no document"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=told):
        list(read_documents(str(tmp_path / name)))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_bad_documents_can_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff")
    (tmp_path / "b.json").write_text('[{"text": ""}, {"text": "good"}]')
    (tmp_path / "c.jsonl").write_text('{"text"\n{"text": "fine"}\n')
    found = list(read_documents(str(tmp_path / "*"), on_error="skip"))
    assert [each.text for each in found] == ["good", "fine"]
