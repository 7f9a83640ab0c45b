"""Passages, and both retrievers on a few of them."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.data.retrieval import Bm25, Dense, PassageStore, split_words
from arc_encoder.data.retrieval.answers import contains_answer

TEXTS = [
    "Penicillin was discovered by Alexander Fleming in London.",
    "The river Seine flows through Paris and reaches the sea at Le Havre.",
    "A violin has four strings, tuned in fifths.",
    "Rivers carry water from mountains to the sea.",
]


@pytest.fixture
def passages(tmp_path: Path) -> Path:
    file = tmp_path / "wiki.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    return file


def test_split_words() -> None:
    text = "  one two\nthree  four five "
    assert list(split_words(text, 2)) == ["one two", "three  four", "five"]
    assert list(split_words(text, None)) == ["one two\nthree  four five"]
    assert list(split_words(" ", 2)) == []
    with pytest.raises(ConfigError, match="passage_words=0"):
        list(split_words(text, 0))


def test_a_store_reads_by_number(passages: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    store = PassageStore.write(str(passages), folder, words=4)
    expected = [piece for text in TEXTS for piece in split_words(text, 4)]
    assert list(store) == expected
    assert list(PassageStore(folder))[1:3] == expected[1:3]
    with pytest.raises(IndexError):
        store[len(expected)]


def test_bm25_finds_by_words_and_stems(passages: Path) -> None:
    retriever = Bm25()
    retriever.open(str(passages), words=None)
    found = retriever.search(["Who discovered penicillins?", "which river flows through paris", "zzz"], top=2)
    assert found[0][0] == TEXTS[0]
    assert found[1] == [TEXTS[1], TEXTS[3]]
    assert found[2] == []  # no word in common, so no passage


def test_an_index_is_used_again_until_something_changes(passages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    real = Bm25.build
    monkeypatch.setattr(Bm25, "build", lambda self, *rest: (built.append(1), real(self, *rest)))
    first = Bm25().open(str(passages))
    again = Bm25()
    assert again.open(str(passages)) == first
    assert len(built) == 1
    assert again.search(["violin strings"], top=1) == [[TEXTS[2]]]
    assert Bm25(k1=0.9).open(str(passages)) != first
    assert Bm25().open(str(passages), words=3) != first
    passages.write_text(json.dumps({"text": "Another text."}) + "\n")
    changed = Bm25()
    assert changed.open(str(passages)) != first
    assert len(changed.store) == 1
    assert len(built) == 4


def test_an_interrupted_index_is_built_again(passages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Bm25, "build", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Bm25().open(str(passages))
    retriever = Bm25()
    retriever.open(str(passages))
    assert retriever.search(["violin"], top=1) == [[TEXTS[2]]]


def test_bad_passages(tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text('{"content": "x"}\n')
    with pytest.raises(DataError, match=r"bad.jsonl:1: missing or empty field 'text' \(found: content\)"):
        Bm25().open(str(file))
    file.write_text('{"text": ["x"]}\n')
    with pytest.raises(DataError, match="field 'text' holds list, expected text"):
        Bm25().open(str(file))
    file.write_text("")
    with pytest.raises(DataError, match="holds no passage"):
        Bm25().open(str(file))
    with pytest.raises(DataError, match="no file matches"):
        Bm25().open(str(tmp_path / "none.jsonl"))
    (tmp_path / "taken").write_text("")
    file.write_text('{"text": "x"}\n')
    with pytest.raises(DataError, match="choose another folder for the index"):
        Bm25().open(str(file), folder=str(tmp_path / "taken"))


class Letters:
    """Stands in for a sentence encoder: how often each letter occurs."""

    def __init__(self, name: str, device: str | None = None) -> None:
        if name == "none":
            raise OSError("no such model")

    def encode(self, texts: Sequence[str], **_: Any) -> Any:
        counts = np.array([[text.lower().count(chr(97 + n)) for n in range(26)] for text in texts], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def test_dense_finds_the_nearest_in_blocks(passages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", types.SimpleNamespace(SentenceTransformer=Letters))
    for block in (1, 3, 100):
        retriever = Dense("letters", block=block)
        retriever.open(str(passages), words=None)
        found = retriever.search(TEXTS[1:3], top=3)
        assert [texts[0] for texts in found] == TEXTS[1:3]
        assert all(len(set(texts)) == 3 for texts in found)
    with pytest.raises(
        ConfigError, match=r"the model 'none' of the dense retriever cannot be loaded \(no such model\)"
    ):
        Dense("none").open(str(passages))


def test_dense_says_what_to_install(passages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ConfigError, match=r"arc-encoder\[dense\]"):
        Dense("letters").open(str(passages))


def test_answers_stand_in_texts_word_for_word() -> None:
    assert contains_answer(["Le-Havre"], ["... at le havre!"])
    assert not contains_answer(["art"], ["Parts of it"])
    assert not contains_answer(["?"], ["Is it so?"])
    assert contains_answer(["no", "Paris"], ["In Paris."])
