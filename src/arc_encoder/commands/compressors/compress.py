"""`arc-compress`: documents in, compressed vectors out: a store, or one file.

Run command: ``arc-compress checkpoint=<run>/compressor input=documents.jsonl output=store``

A store is a folder (`arc_encoder.inference.storage.VectorStore`): documents are read one block after the other, a run that was
killed goes on where it was, and several processes may share the work (`torchrun`). With output=<name>.safetensors one
file is written at the end (`arc_encoder.inference.storage.single_file`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.compressors import load_compressor
from arc_encoder.core.errors import ConfigError
from arc_encoder.data.records import Document
from arc_encoder.data.sources.jsonl import matching_files
from arc_encoder.inference.storage import VectorStore
from arc_encoder.inference.storage.corpus.corpus import FAILED
from arc_encoder.inference.storage.corpus.documents import bytes_to_read, read_documents, read_file
from arc_encoder.inference.storage.corpus.engines import CorpusJob, Engine
from arc_encoder.inference.storage.single_file import check_output, write_single_file

KEYS = {
    "checkpoint",
    "encoder_tokenizer",
    "backbone",
    "imports",
    "input",
    "output",
    "text_field",
    "decoder_name",
    "factor",
    "codec",
    "keep_text",
    "batch_size",
    "threads",
    "device",
    "dtype",
    "on_error",
    "overwrite",
    "fidelity",
    "engine",
    "decoders",
    "paths",
}


def compress(config: DictConfig) -> Path:
    """Compress as `config` says; returns what was written."""
    if config.threads:
        torch.set_num_threads(config.threads)
    for name in ("checkpoint", "input", "output"):
        if config[name] is None:
            raise ConfigError(
                f"{name} is missing: arc-compress checkpoint=<run>/compressor input=<files> output=<folder or file.safetensors>"
            )
    output = Path(config.output)
    single = output.suffix == ".safetensors"
    if single and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(f"{os.environ['WORLD_SIZE']} processes cannot share one file; give output=<folder>, a store")
    if single:
        check_output(output, overwrite=config.overwrite)
    if config.fidelity and (single or not config.get("decoders")):
        raise ConfigError(
            "fidelity=true needs a store (output=<folder>) and the decoder, which reads the documents back: decoder=<name>"
        )
    job = CorpusJob(
        files=matching_files(config.input, "files of documents"),
        read=partial(read_file, text_field=config.text_field, on_error=config.on_error),
        load=partial(load_compressor, config),
        factor=config.factor,
        batch_size=config.batch_size,
        keep_text=config.keep_text,
        fidelity=config.fidelity,
        stop_on_error=config.on_error == "stop",
    )
    engine = instantiate(config.engine)
    if not isinstance(engine, Engine):
        raise ConfigError(
            "engine: arc-compress takes engine=local or engine=ray; the others serve requests (arc-serve)"
        )
    compressor = job.load()
    documents = shown(config)
    if single:
        skip = not job.stop_on_error
        print(write_single_file(compressor, documents, output, config.factor, config.batch_size, skip=skip))
        return output
    store = VectorStore.create(output, compressor.origin_of_vectors(), instantiate(config.codec))
    outcome = engine.compress(job, compressor, store, documents)
    print(
        f"{outcome.compressed} documents → {outcome.vectors} vectors; {outcome.done_before} were there before; "
        f"{len(outcome.failed)} could not be compressed{f' (see {output / FAILED})' if outcome.failed else ''}; "
        f"{output} holds {len(store)}"
    )
    store.close()
    return output


def shown(config: DictConfig) -> Iterator[Document]:
    """The documents, with a progress bar over the bytes of their files."""
    with tqdm(total=bytes_to_read(config.input), desc="compressing", unit="B", unit_scale=True, smoothing=0.05) as bar:
        yield from read_documents(
            config.input, text_field=config.text_field, on_error=config.on_error, on_read=bar.update
        )


def main() -> None:
    """Console entry point."""
    run_app("compress", lambda config: compress(config) and None, keys=KEYS)


if __name__ == "__main__":
    main()
