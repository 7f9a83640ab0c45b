"""What an engine is given and has to do, and the one that works in this process; several share the work under torchrun.

To add one: subclass `Engine`, and name the class in a YAML file of `configs/engine`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from arc_encoder.data.records import Document
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.storage.corpus.corpus import Outcome, compress_corpus
from arc_encoder.inference.storage.store import VectorStore


@dataclass(frozen=True)
class CorpusJob:
    """Documents that are to be compressed into a store.

    Attributes:
        files: that hold them.
        read: a file → its documents; picklable.
        load: gives the compressor; picklable.
        factor: pooling factor; None for the compressor's own.
        batch_size: documents encoded at once.
        keep_text: keep the texts too.
        fidelity: measure and keep how much of each document the decoder reads back.
        stop_on_error: whether a document that cannot be compressed ends the work.
    """

    files: list[Path]
    read: Callable[[Path], Iterator[Document]]
    load: Callable[[], Compressor]
    factor: float | None = None
    batch_size: int = 32
    keep_text: bool = False
    fidelity: bool = False
    stop_on_error: bool = True


class Engine(ABC):
    """Compresses a corpus. What the store holds already is not done again; equal texts are encoded once."""

    @abstractmethod
    def compress(
        self, job: CorpusJob, compressor: Compressor, store: VectorStore, documents: Iterator[Document]
    ) -> Outcome:
        """Do the job.

        Args:
            job: what is to be done.
            compressor: as the job loads it, in this process.
            store: where the vectors go.
            documents: those of the job's files, for an engine that reads them in this process.

        Raises:
            DataError: a document that cannot be compressed, or an id that comes twice with different texts.
        """


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
