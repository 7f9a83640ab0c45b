"""Passages for the questions that come without: a store of passages, and retrievers that search it, one a file."""

from arc_encoder.data.retrieval.base import Retriever
from arc_encoder.data.retrieval.bm25 import Bm25
from arc_encoder.data.retrieval.dense import Dense
from arc_encoder.data.retrieval.store import PassageStore, split_words

__all__ = ["Bm25", "Dense", "PassageStore", "Retriever", "split_words"]
