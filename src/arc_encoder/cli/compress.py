"""`arc-compress`: documents in, compressed vectors out: a store, or one file.

Run command: ``arc-compress checkpoint=<run>/compressor input=documents.jsonl output=store``

A store is a folder (`arc_encoder.storage.VectorStore`): documents are read one block after the other, a run that was
killed goes on where it was, and several processes may share the work (`torchrun`). With output=<name>.safetensors one
file is written at the end (`arc_encoder.storage.single_file`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from arc_encoder.cli.app import own_device, run_app
from arc_encoder.data.records import Document
from arc_encoder.errors import ConfigError
from arc_encoder.inference import Compressor
from arc_encoder.storage import VectorStore
from arc_encoder.storage.corpus import FAILED, compress_corpus
from arc_encoder.storage.documents import read_documents
from arc_encoder.storage.single_file import check_output, write_single_file

KEYS = {
    "checkpoint",
    "encoder_tokenizer",
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
    part = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if single and part[1] > 1:
        raise ConfigError(f"{part[1]} processes cannot share one file; give output=<folder>, a store")
    if single:
        check_output(output, overwrite=config.overwrite)
    documents = read_documents(config.input, text_field=config.text_field, on_error=config.on_error)
    compressor = Compressor.from_pretrained(
        config.checkpoint,
        decoder_name=config.decoder_name,
        device=own_device(config.device),
        dtype=config.dtype,
        tokenizer=config.encoder_tokenizer,
    )
    skip = config.on_error == "skip"
    if single:
        print(write_single_file(compressor, _shown(documents), output, config.factor, config.batch_size, skip=skip))
        return output
    store = VectorStore.create(output, compressor.origin_of_vectors(), instantiate(config.codec))
    outcome = compress_corpus(
        compressor,
        _shown(documents),
        store,
        factor=config.factor,
        batch_size=config.batch_size,
        keep_text=config.keep_text,
        stop_on_error=not skip,
        part=part,
    )
    print(
        f"{outcome.compressed} documents → {outcome.vectors} vectors; {outcome.done_before} were there before; "
        f"{len(outcome.failed)} could not be compressed{f' (see {output / FAILED})' if outcome.failed else ''}; "
        f"{output} holds {len(store)}"
    )
    store.close()
    return output


def _shown(documents: Iterator[Document]) -> Iterator[Document]:
    """The documents, with a progress bar of what was read."""
    return iter(tqdm(documents, desc="compressing", unit=" documents", smoothing=0.05))


def main() -> None:
    """Console entry point."""
    run_app("compress", lambda config: compress(config) and None, keys=KEYS)


if __name__ == "__main__":
    main()
