"""LangChain and LlamaIndex: one document is one node, and answers are read from its vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from arc_encoder.core.errors import DataError
from arc_encoder.data.retrieval import Bm25
from arc_encoder.inference import Compressor
from arc_encoder.inference.storage import FloatCodec, VectorStore
from arc_encoder.inference.storage.retrieval import StoreSearch, answer_from
from tests.inference.conftest import compressor, folder, language_model

__all__ = ["compressor", "folder", "language_model"]
TEXTS = {
    "a/1": "the baker sells bread in the town of Tolven",
    "ü": "a ship carries tea to the harbour of Brask",
    "c": "the town of Brask has a harbour and a tower",
}
QUESTION = "which ship carries tea to the harbour?"


@pytest.fixture
def search(compressor: Compressor, tmp_path: Path) -> StoreSearch:
    store = VectorStore.create(tmp_path / "store", compressor.origin_of_vectors(), FloatCodec("float32"))
    store.add(dict(zip(TEXTS, compressor.encode(list(TEXTS.values())), strict=True)), TEXTS)
    return StoreSearch(store, Bm25())


def check(found: list[Any], search: StoreSearch, id: str, text: str) -> None:
    assert [getattr(each, id) for each in found] == ["ü", "c"]
    for each in found:
        assert getattr(each, text) == TEXTS[getattr(each, id)]
        assert each.metadata["positions"] == len(search.store[getattr(each, id)])


def test_langchain(compressor: Compressor, search: StoreSearch) -> None:
    pytest.importorskip("langchain_core")
    from arc_encoder.inference.integrations.langchain import ArcReader, ArcRetriever, answering_chain

    check(ArcRetriever(search=search, k=2).invoke(QUESTION), search, "id", "page_content")
    result = answering_chain(compressor, search, k=2).invoke(QUESTION)
    assert result["question"] == QUESTION
    assert result["answer"] == answer_from(compressor, search.search(QUESTION, 2), QUESTION)
    reader = ArcReader(compressor, search)
    from langchain_core.documents import Document

    for bad, told in (
        ({"question": "x"}, "expected"),
        ({"question": "x", "context": []}, "no document was found"),
        ({"question": "x", "context": [Document(page_content="no id")]}, "has no id"),
        ({"question": "x", "context": [Document(id="gone", page_content="")]}, "no document 'gone'"),
    ):
        with pytest.raises(DataError, match=told):
            reader.invoke(bad)


def test_llama_index(compressor: Compressor, search: StoreSearch) -> None:
    pytest.importorskip("llama_index.core")
    from arc_encoder.inference.integrations.llama_index import ArcQueryEngine, ArcRetriever

    retriever = ArcRetriever(search, k=2)
    check([each.node for each in retriever.retrieve(QUESTION)], search, "node_id", "text")
    engine = ArcQueryEngine(retriever=retriever, compressor=compressor)
    response = engine.query(QUESTION)
    assert response.response == answer_from(compressor, search.search(QUESTION, 2), QUESTION)
    assert [each.node.node_id for each in response.source_nodes] == ["ü", "c"]
    nothing = engine.query("zebras?")
    assert (nothing.response, nothing.source_nodes) == ("", [])
