"""Finding documents of a store."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.data.retrieval import Bm25, Dense
from arc_encoder.inference import Compressor
from arc_encoder.inference.storage import FloatCodec, VectorStore
from arc_encoder.inference.storage.retrieval import FOLDER, StoreSearch, answer_from, ask_store, that_fit
from tests.data.retrieval.test_retrieval import Letters

TEXTS = {"fruit": "apples and pears", "tools": "hammers and nails", "more": "an apple a day", "none": "not kept"}


@pytest.fixture
def store(tmp_path: Path, compressor: Compressor) -> VectorStore:
    made = VectorStore.create(tmp_path / "store", compressor.origin_of_vectors(), FloatCodec("float32"))
    documents = dict(zip(TEXTS, compressor.encode(list(TEXTS.values())), strict=True))
    made.add(documents, {id: text for id, text in TEXTS.items() if id != "none"})
    return made


def test_id_text_and_vectors_stay_together(store: VectorStore, compressor: Compressor) -> None:
    found = StoreSearch(store, Bm25()).search("Where are apples and pears?", top=3)
    assert [each.id for each in found] == ["fruit", "more"]
    for each in found:
        assert each.text == TEXTS[each.id]
        assert torch.allclose(each.context.vectors, compressor.encode([each.text])[0].vectors, atol=1e-5)


def test_dense_vectors_find_documents_too(
    store: VectorStore, compressor: Compressor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", SimpleNamespace(SentenceTransformer=Letters))
    found = StoreSearch(store, Dense("letters")).search("nails, hammers", top=2)
    assert found[0].id == "tools"
    assert found[0].text == TEXTS["tools"]
    assert torch.allclose(found[0].context.vectors, compressor.encode([TEXTS["tools"]])[0].vectors, atol=1e-5)


def test_the_index_is_built_once_and_anew_after_a_change(store: VectorStore, compressor: Compressor) -> None:
    assert [each.id for each in StoreSearch(store, Bm25()).search("hammers")] == ["tools"]
    assert StoreSearch(VectorStore(store.folder), Bm25()).search("zebras") == []
    assert len([each for each in (store.folder / FOLDER).iterdir() if each.is_dir()]) == 1
    (context,) = compressor.encode(["zebras run"])
    store.add({"animals": context}, {"animals": "zebras run"})
    assert [each.id for each in StoreSearch(store, Bm25()).search("zebras")] == ["animals"]
    assert len([each for each in (store.folder / FOLDER).iterdir() if each.is_dir()]) == 1
    store.delete(["tools"])
    assert StoreSearch(store, Bm25()).search("hammers") == []


def test_the_best_document_stands_next_to_the_question(store: VectorStore, compressor: Compressor) -> None:
    found = StoreSearch(store, Bm25()).search("apples and pears?")
    first, second = (each.context for each in found)
    prompt = ["Document: ", second, "\n\nDocument: ", first, "\nQuestion: apples and pears?\nAnswer:"]
    expected = compressor.generate([prompt], stop="\n", max_new_tokens=8)[0].strip()
    assert answer_from(compressor, found, "apples and pears?", max_new_tokens=8) == expected


def test_documents_that_do_not_fit_the_window_are_named_and_left_out(
    store: VectorStore, compressor: Compressor
) -> None:
    (first, second) = StoreSearch(store, Bm25()).search("apples and pears?")
    assert that_fit(compressor, [first, second], "apples?", max_new_tokens=8) == [first, second]
    with pytest.warns(UserWarning, match="of 400 documents fit the decoder's window .* not read: .*more"):
        read = that_fit(compressor, [first, *[second] * 399], "apples?", max_new_tokens=8)
    assert read[0] is first
    assert 1 < len(read) < 400
    with pytest.warns(UserWarning, match="not read"):
        answer = answer_from(compressor, [first, *[second] * 399], "apples?", max_new_tokens=8)
    assert answer == answer_from(compressor, read, "apples?", max_new_tokens=8)
    _, cited = ask_store(compressor, store, Bm25(), "apples and pears?", max_new_tokens=8)
    assert [each.id for each in cited] == [first.id, second.id]


def test_what_cannot_be_searched_is_refused(store: VectorStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the question is blank"):
        StoreSearch(store, Bm25()).search(" ")
    with pytest.raises(ConfigError, match="top=0"):
        StoreSearch(store, Bm25()).search("apples", top=0)
    store.delete(["fruit", "tools", "more"])
    with pytest.raises(DataError, match="keeps no texts to search in"):
        StoreSearch(store, Bm25())


def test_indexes_of_several_retrievers_stay(store: VectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", SimpleNamespace(SentenceTransformer=Letters))
    for _ in range(2):
        assert StoreSearch(store, Bm25()).search("hammers", top=1)[0].id == "tools"
        assert StoreSearch(store, Dense("letters")).search("hammers", top=1)[0].id == "tools"
    assert len([each for each in (store.folder / FOLDER).iterdir() if each.is_dir()]) == 2
