"""Compressing files of documents as one function: into a store, or into one file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from tqdm import tqdm

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.run_folder.lock import lock_output
from arc_encoder.data.records import Document
from arc_encoder.data.sources.jsonl import OnError, matching_files
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.storage.codecs.codecs import Codec
from arc_encoder.inference.storage.corpus.corpus import Outcome
from arc_encoder.inference.storage.corpus.documents import bytes_to_read, read_documents, read_file
from arc_encoder.inference.storage.corpus.engines import CorpusJob, Engine, LocalEngine
from arc_encoder.inference.storage.corpus.single_file import check_output, write_single_file
from arc_encoder.inference.storage.store import MADE_FIRST, WRITER, VectorStore

SINGLE = ".safetensors"


def compress(
    compressor: Compressor | Callable[[], Compressor],
    files: str,
    output: str | Path,
    *,
    factor: float | None = None,
    batch_size: int = 32,
    codec: Codec | None = None,
    keep_text: bool = False,
    fidelity: bool = False,
    text_field: str = "text",
    on_error: OnError = "stop",
    overwrite: bool = False,
    engine: Engine | None = None,
    progress: bool = True,
) -> Outcome:
    """Compress the documents of files into a store, or into one safetensors file.

    A store is filled block by block: killed at any place and started again, it continues with what is missing. Several
    processes under ``torchrun`` share the work. One file is written at the end.

    Args:
        compressor: what encodes, or a function that loads it; an engine of several machines needs one that pickles.
        files: a file or glob; see `read_documents`.
        output: folder of the store to make or add to; or one file, by its ending ``.safetensors``.
        factor: pooling factor instead of the trained one.
        batch_size: documents encoded at once.
        codec: how vectors are kept in a store; bfloat16 by default.
        keep_text: keep the documents' texts in the store too.
        fidelity: measure what share of each document the decoder reads back, and keep that in the store.
        text_field: field of a JSON record that holds the text.
        on_error: what a document that cannot be used does: ``stop``, or ``skip`` with a warning.
        overwrite: replace one file that exists.
        engine: where documents are compressed; in this process by default.
        progress: show a progress bar over the bytes of the files.

    Raises:
        ConfigError: settings that do not go together, or an output that cannot be written or that another process makes.
        DataError: no document, or one that cannot be used.
        CheckpointError: a store of other models.
    """
    if engine is not None and not isinstance(engine, Engine):
        raise ConfigError("engine: the chosen one compresses no documents; choose LocalEngine or RayEngine")
    target = Path(output)
    single = target.suffix == SINGLE
    if single and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            f"{os.environ['WORLD_SIZE']} processes cannot share the file {target}; let them fill a store, a folder"
        )
    if single:
        check_output(target, overwrite=overwrite)
    if single and fidelity:
        raise ConfigError("fidelity is kept in a store, a folder, and not in one file")
    job = CorpusJob(
        files=matching_files(files, "files of documents"),
        read=partial(read_file, text_field=text_field, on_error=on_error),
        load=(lambda: compressor) if isinstance(compressor, Compressor) else compressor,
        factor=factor,
        batch_size=batch_size,
        keep_text=keep_text,
        fidelity=fidelity,
        stop_on_error=on_error == "stop",
    )
    with lock_output(target) if single else _lock_store(target):
        loaded = job.load()
        documents = _read(files, text_field, on_error, progress)
        if single:
            return write_single_file(loaded, documents, target, factor, batch_size, skip=not job.stop_on_error)
        store = VectorStore.create(target, loaded.origin_of_vectors(), codec)
        try:
            return (engine or LocalEngine()).compress(job, loaded, store, documents)
        finally:
            store.close()


def _lock_store(target: Path) -> AbstractContextManager[None]:
    """Of the processes that share the work, the first one keeps others out.

    A folder of something else is refused when the store is opened, and left alone here.
    """
    found = {each.name for each in target.iterdir()} if target.is_dir() else set()
    first = int(os.environ.get("RANK", "0")) == 0
    own = "store.json" in found or found <= {*MADE_FIRST}
    return lock_output(target, target / WRITER) if first and own else nullcontext()


def _read(files: str, text_field: str, on_error: OnError, progress: bool) -> Iterator[Document]:
    """The documents, with a progress bar over the bytes of their files."""
    size = bytes_to_read(files)
    bar = tqdm(total=size, desc="compressing", unit="B", unit_scale=True, smoothing=0.05, disable=not progress)
    with bar:
        yield from read_documents(files, text_field=text_field, on_error=on_error, on_read=bar.update)
