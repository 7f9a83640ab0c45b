"""Dense retrieval: passages and questions as vectors of a sentence encoder (extra ``dense``).

The method used NV-Embed v2, whose licence is non-commercial; any model of sentence-transformers will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from arc_encoder.core.errors import ConfigError, needing
from arc_encoder.data.retrieval.base import Retriever, Texts


class Dense(Retriever):
    """Cosine similarity of sentence vectors, searched exactly.

    Args:
        model: folder or hub name of a sentence-transformers model.
        batch_size: texts encoded at once.
        device: cpu or cuda; null takes what there is.
        question_prompt: text put before each question, where the model's card asks for one.
        block: passages compared with the questions at once; bounds the memory.
    """

    def __init__(
        self,
        model: str,
        batch_size: int = 64,
        device: str | None = None,
        question_prompt: str = "",
        block: int = 500_000,
    ) -> None:
        self.model, self.batch_size, self.device = model, batch_size, device
        self.question_prompt, self.block = question_prompt, block
        self._encoder: Any = None
        self._vectors: Any = None

    def settings(self) -> dict[str, Any]:
        return {"retriever": "dense", "model": self.model}

    def build(self, passages: Texts, folder: Path) -> None:
        encoder = self._load_encoder()
        vectors: Any = None
        step = self.batch_size * 64
        for start in range(0, len(passages), step):
            numbers = range(start, min(start + step, len(passages)))
            found = self._encode(encoder, [passages[number] for number in numbers])
            if vectors is None:
                shape = (len(passages), found.shape[1])
                vectors = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float16, shape=shape)
            vectors[start : start + len(found)] = found
        vectors.flush()

    def load(self, folder: Path) -> None:
        self._vectors = np.load(folder / "vectors.npy", mmap_mode="r")

    def find(self, questions: Sequence[str], top: int) -> list[list[int]]:
        top = min(top, len(self.store))
        asked = torch.from_numpy(self._encode(self._load_encoder(), [self.question_prompt + q for q in questions]))
        best = torch.empty(len(questions), 0)
        rows = torch.empty(len(questions), 0, dtype=torch.long)
        for start in range(0, len(self._vectors), self.block):
            part = torch.from_numpy(np.asarray(self._vectors[start : start + self.block], dtype=np.float32))
            found = (asked @ part.T).topk(min(top, len(part)), dim=1)
            scores = torch.cat([best, found.values], dim=1)
            numbers = torch.cat([rows, found.indices + start], dim=1)
            chosen = scores.topk(min(top, scores.shape[1]), dim=1)
            best, rows = chosen.values, numbers.gather(1, chosen.indices)
        return rows.tolist()

    def _encode(self, encoder: Any, texts: Sequence[str]) -> Any:
        vectors = encoder.encode(
            list(texts), batch_size=self.batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)

    def _load_encoder(self) -> Any:
        if self._encoder is None:
            with needing("the dense retriever needs sentence-transformers, unlike BM25", "dense"):
                from sentence_transformers import SentenceTransformer
            try:
                self._encoder = SentenceTransformer(self.model, device=self.device)
            except (OSError, ValueError) as error:
                raise ConfigError(
                    f"the model {self.model!r} of the dense retriever cannot be loaded ({str(error).splitlines()[0]}); give a folder "
                    "or hub name of a sentence-transformers model"
                ) from error
        return self._encoder
