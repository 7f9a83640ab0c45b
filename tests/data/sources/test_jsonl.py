"""Records from JSONL files."""

from __future__ import annotations

import gzip
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.data.sources.jsonl import JsonlDocuments, JsonlQuestions, matching_files, read_jsonl

zstandard = pytest.importorskip("zstandard")

ASK = {"question": "q?", "answers": ["a", "b"], "passages": ["p", "r"]}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".jsonl": bytes,
    ".jsonl.gz": gzip.compress,
    ".jsonl.zst": zstandard.compress,
}


def lines(*records: Any) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def write(path: Path, *records: Any) -> str:
    path.write_bytes(lines(*records))
    return str(path)


@pytest.mark.parametrize("ending", PACKERS)
def test_plain_and_packed_files_hold_the_same_documents(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"corpus{ending}"
    path.write_bytes(PACKERS[ending](lines({"id": 7, "text": "Où ça? 日本 😀"}, {"text": "two\u2028lines"})))
    documents = JsonlDocuments(str(path))
    assert len(documents) == 2
    assert (documents[0].id, documents[0].text) == ("7", "Où ça? 日本 😀")
    assert (documents[1].id, documents[1].text) == (f"{path}:2", "two\u2028lines")


@pytest.mark.parametrize("ending", [".jsonl.gz", ".jsonl.zst"])
def test_a_file_packed_in_several_parts_is_read_to_its_end(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"corpus{ending}"
    part = PACKERS[ending](lines(*({"text": f"{i} " + "x" * 1000} for i in range(500))))
    path.write_bytes(part + part)
    assert len(JsonlDocuments(str(path))) == 1000


def test_a_glob_reads_its_files_in_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path / "b.jsonl", {"text": "second"})
    write(tmp_path / "a.jsonl", {"text": "first"})
    write(tmp_path / "deep" / "c.jsonl", {"text": "third"})
    write(tmp_path / "other.json", {"text": "not read"})
    (tmp_path / "folder.jsonl").mkdir()
    flat, deep = JsonlDocuments(f"{tmp_path}/*.jsonl"), JsonlDocuments(f"{tmp_path}/**/*.jsonl")
    assert [document.text for document in flat] == ["first", "second"]
    assert [document.text for document in deep] == ["first", "second", "third"]


def test_a_name_with_brackets_is_a_name_if_it_exists(tmp_path: Path) -> None:
    path = write(tmp_path / "part[1].jsonl", {"text": "here"})
    assert matching_files(path) == [Path(path)]


def test_blank_lines_are_no_records_but_count_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('\n{"text": "x"}\n   \n{"text": "y"}')
    assert [document.id for document in JsonlDocuments(str(path))] == [f"{path}:2", f"{path}:4"]


def test_another_field_may_hold_the_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"body": "x", "text": "not this"})
    assert JsonlDocuments(path, text_field="body")[0].text == "x"


BROKEN_DOCUMENTS = {
    "not JSON": (b'{"text": "x"', "not valid JSON"),
    "no object": (b'["text"]', "expected a JSON object, found list"),
    "no such field": (b'{"body": "x", "more": 1}', "missing or empty field 'text' .found: body, more"),
    "empty field": (b'{"text": ""}', "missing or empty field 'text'"),
    "null": (b'{"text": null}', "missing or empty field 'text'"),
    "a number": (b'{"text": 5}', "field 'text' holds int, expected text"),
    "no UTF-8": (b'{"text": "caf\xe9"}', "not valid UTF-8"),
    "half a pair": (b'{"text": "a\\ud83d"}', "not valid UTF-8"),
    "huge number": (b'{"text": "x", "n": ' + b"1" * 5000 + b"}", "not usable JSON"),
}
BROKEN_QUESTIONS = {
    "no answer": (
        b'{"question": "q", "passages": ["p"]}',
        r"no text or list of texts in field 'answers' \(or 'answer'\)",
    ),
    "empty answers": (
        b'{"question": "q", "passages": ["p"], "answers": [""]}',
        "field 'answers' holds no text that is not blank",
    ),
    "answers as in SQuAD": (
        b'{"question": "q", "passages": ["p"], "answers": {"text": ["x"], "answer_start": [1]}}',
        "field 'answers' holds dict, expected text",
    ),
    "no passage": (b'{"question": "q", "answers": ["a"], "passages": []}', "missing or empty field 'passages'"),
    "empty passage": (b'{"question": "q", "answers": ["a"], "passages": [""]}', "field 'passages' holds no text"),
    "passages as objects": (
        b'{"question": "q", "answers": ["a"], "passages": [{"t": "p"}]}',
        "field 'passages' holds, at place 0 of its list, dict, expected text",
    ),
    "no question": (b'{"answers": ["a"], "passages": ["p"]}', "missing or empty field 'question'"),
}
BROKEN = [
    pytest.param(kind, good, *case, id=name)
    for kind, good, cases in (
        (JsonlDocuments, {"text": "x"}, BROKEN_DOCUMENTS),
        (JsonlQuestions, ASK, BROKEN_QUESTIONS),
    )
    for name, case in cases.items()
]


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz"])
@pytest.mark.parametrize(("kind", "good", "bad", "problem"), BROKEN)
def test_a_broken_line_stops_with_file_and_line(
    tmp_path: Path, ending: str, kind: type, good: dict[str, Any], bad: bytes, problem: str
) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(PACKERS[ending](lines(good, good) + bad + b"\n" + lines(good)))
    with pytest.raises(DataError, match=problem) as caught:
        kind(str(path))
    assert str(caught.value).startswith(f"{path}:3: ")
    assert caught.value.advice == "skip-lines"


@pytest.mark.parametrize(("kind", "good", "bad", "problem"), BROKEN)
def test_broken_lines_are_skipped_and_counted(
    tmp_path: Path, kind: type, good: dict[str, Any], bad: bytes, problem: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(good) + bad + b"\n" + lines(good) + bad + b"\n")
    with pytest.warns(UserWarning, match=f"2 bad lines were skipped, first: {path}:2: {problem}"):
        records = kind(str(path), on_error="skip")
    assert len(records) == 2
    assert [records[i].id for i in range(2)] == [f"{path}:1", f"{path}:3"]


def test_skipping_is_counted_although_the_limit_is_reached(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", ["broken"], ASK, ASK)
    with pytest.warns(UserWarning, match="1 bad lines were skipped"):
        assert len(JsonlQuestions(path, on_error="skip", limit=1)) == 1


def test_good_files_warn_of_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", ASK)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        JsonlQuestions(path, on_error="skip")


def test_unknown_on_error_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "x"})
    with pytest.raises(ConfigError, match=r"on_error='ignore'.*stop or skip"):
        JsonlDocuments(path, on_error="ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "what"), [(JsonlDocuments, "document"), (JsonlQuestions, "question")])
@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_a_file_without_records_is_refused(tmp_path: Path, kind: type, what: str, content: bytes) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path} holds no {what}"):
        kind(str(path))


@pytest.mark.parametrize("name", ["missing.jsonl", "*.missing", "."])
def test_a_path_without_files_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="no file matches"):
        JsonlDocuments(str(tmp_path / name))


def damaged_gzip() -> bytes:
    """A gzip file whose second byte of packed data makes no sense."""
    packed = bytearray(gzip.compress(lines({"text": "x"}), mtime=0))  # the same name in every process
    packed[10] = 0xFF
    return bytes(packed)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.jsonl.gz", gzip.compress(lines({"text": "x" * 1000}), mtime=0)[:-9]),
        ("no.jsonl.gz", b"this is no gzip file"),
        ("damaged.jsonl.gz", damaged_gzip()),
        ("no.jsonl.zst", b"this is no zstandard file"),
    ],
)
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes, on_error: Any) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path} cannot be read after line"):
        JsonlDocuments(str(path), on_error=on_error)


def test_what_stands_before_the_damage_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "tail.jsonl.gz"
    path.write_bytes(gzip.compress(lines(*({"text": f"line {i}"} for i in range(50))), mtime=0) + b"garbage")
    with pytest.raises(DataError, match="cannot be read after line 50: Not a gzipped file"):
        JsonlDocuments(str(path))


def test_without_zstandard_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(zstandard.compress(lines({"text": "x"})))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(DataError, match=r"pip install 'arc-encoder\[zstd\]'"):
        JsonlDocuments(str(path))


@pytest.mark.parametrize(
    ("record", "answers", "passages"),
    [
        (ASK, ("a", "b"), ("p", "r")),
        ({**ASK, "answers": "a", "passages": "p"}, ("a",), ("p",)),
        ({"question": "q?", "answer": "a", "passages": "p"}, ("a",), ("p",)),
        ({"question": "q?", "answer": 0, "passages": "p"}, ("0",), ("p",)),
        ({**ASK, "answers": [12, ""], "passages": ["", "p"]}, ("12",), ("p",)),
    ],
)
def test_answers_and_passages_may_be_one_or_several(
    tmp_path: Path, record: dict[str, Any], answers: tuple[str, ...], passages: tuple[str, ...]
) -> None:
    question = JsonlQuestions(write(tmp_path / "squad.train.jsonl", record))[0]
    assert (question.question, question.answers, question.passages) == ("q?", answers, passages)
    assert question.subset == "squad"


def test_fields_may_have_other_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"id": 3, "query": "q?", "gold": ["a"], "texts": ["p"], "question": "not this"})
    fields = {"question": "query", "answers": "gold", "passages": "texts"}
    question = JsonlQuestions(path, fields=fields, subset="mine")[0]
    assert (question.id, question.question, question.answers) == ("3", "q?", ("a",))
    assert (question.passages, question.subset) == (("p",), "mine")


def test_an_unknown_name_in_fields_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", ASK)
    with pytest.raises(
        ConfigError, match="fields: unknown name querry; choose from question, answers, answer, passages, instruction"
    ):
        JsonlQuestions(path, fields={"querry": "q"})


def test_fields_that_name_a_missing_field_show_those_found(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", ASK)
    with pytest.raises(
        DataError, match=r"a.jsonl:1: missing or empty field 'query' \(found: question, answers, passages\)"
    ):
        JsonlQuestions(path, fields={"question": "query"})


def test_limit_keeps_the_first_records(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *({**ASK, "id": i} for i in range(5)))
    assert [question.id for question in JsonlQuestions(path, limit=3)] == ["0", "1", "2"]


def test_reading_is_lazy(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "x"}, ["broken"])
    records = read_jsonl(path, ("text",))
    assert next(records) == (f"{path}:1", {"text": "x"})
    with pytest.raises(DataError):
        next(records)
