"""Compressing in this process; several share the work under torchrun."""

from __future__ import annotations

import os
from collections.abc import Iterator

from arc_encoder.data.records import Document
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.storage.corpus.corpus import Outcome, compress_corpus
from arc_encoder.inference.storage.corpus.engines.base import CorpusJob, Engine
from arc_encoder.inference.storage.store import VectorStore


class LocalEngine(Engine):
    """This process, or every n-th document for each of n processes that torchrun started."""

    def compress(
        self, job: CorpusJob, compressor: Compressor, store: VectorStore, documents: Iterator[Document]
    ) -> Outcome:
        return compress_corpus(
            compressor,
            documents,
            store,
            factor=job.factor,
            batch_size=job.batch_size,
            keep_text=job.keep_text,
            fidelity=job.fidelity,
            stop_on_error=job.stop_on_error,
            part=(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))),
        )
