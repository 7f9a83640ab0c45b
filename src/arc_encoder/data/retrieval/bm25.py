"""BM25 over words: the retriever that needs no model. The index is sparse and memory-mapped (library bm25s)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from arc_encoder.data.retrieval.base import Retriever, Texts


class Bm25(Retriever):
    """BM25 with Lucene's weighting.

    Args:
        k1: how fast repeated words stop counting.
        b: how much long passages are discounted, 0 to 1.
        language: of stop words and stemmer; null uses neither.
    """

    def __init__(self, k1: float = 1.5, b: float = 0.75, language: str | None = "english") -> None:
        self.k1, self.b, self.language = k1, b, language
        self._index: Any = None
        self._words: Any = None

    def settings(self) -> dict[str, Any]:
        return {"retriever": "BM25 (bm25s)", "k1": self.k1, "b": self.b, "language": self.language}

    def build(self, passages: Texts, folder: Path) -> None:
        import bm25s

        words, ids = self._tokenizer(), []
        texts = (passages[number] for number in range(len(passages)))
        progress = tqdm(texts, total=len(passages), desc="words", unit=" passages", mininterval=1, disable=None)
        for found in words.streaming_tokenize(progress, update_vocab=True):
            ids.append(np.array(found, dtype=np.int32))
        index = bm25s.BM25(method="lucene", k1=self.k1, b=self.b)
        index.index((ids, words.get_vocab_dict()), show_progress=False)
        index.save(str(folder))
        words.save_vocab(str(folder))

    def load(self, folder: Path) -> None:
        import bm25s

        self._index = bm25s.BM25.load(str(folder), mmap=True, load_corpus=False)
        self._words = self._tokenizer()
        self._words.load_vocab(str(folder))

    def find(self, questions: Sequence[str], top: int) -> list[list[int]]:
        ids = list(self._words.tokenize(list(questions), update_vocab=False, show_progress=False))
        top = min(top, len(self.store))
        rows, scores = self._index.retrieve(ids, k=top, show_progress=False)
        return [
            [int(row) for row, score in zip(*found, strict=True) if score > 0]
            for found in zip(rows, scores, strict=True)
        ]

    def _tokenizer(self) -> Any:
        from bm25s.tokenization import Tokenizer

        if self.language is None:
            return Tokenizer(stopwords=[], stemmer=None, splitter=_split)
        import Stemmer

        return Tokenizer(stopwords=self.language, stemmer=Stemmer.Stemmer(self.language).stemWord, splitter=_split)


_WORDS = re.compile(r"\w+")


def _split(text: str) -> list[str]:
    """Words of a text, one-letter ones and numbers included."""
    return _WORDS.findall(text)
