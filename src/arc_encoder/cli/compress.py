"""`arc-compress`: documents in, compressed vectors out.

Run command: ``arc-compress checkpoint=<run>/compressor input=documents.jsonl output=vectors.safetensors``

The file holds `vectors` (all vectors, decoder width) and `offsets` (documents + 1): document
i owns rows offsets[i] … offsets[i + 1] − 1. Its metadata names documents, decoder and factor.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
from omegaconf import DictConfig
from safetensors.torch import save_file
from tqdm import tqdm

from arc_encoder.atomic import atomic_path
from arc_encoder.cli.app import choose_device, run_app
from arc_encoder.data.jsonl import JsonlDocuments, OnError, matching_files
from arc_encoder.data.records import Document
from arc_encoder.errors import ConfigError, DataError
from arc_encoder.inference import Compressor

KEYS = {
    "checkpoint",
    "encoder_tokenizer",
    "imports",
    "input",
    "output",
    "text_field",
    "decoder_name",
    "factor",
    "batch_size",
    "threads",
    "device",
    "dtype",
    "on_error",
    "overwrite",
}
JSONL = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".json.gz")


def read_documents(pattern: str, text_field: str, on_error: OnError) -> list[Document]:
    """Documents of JSONL files (one a line) or text files (one a file).

    Raises:
        DataError: nothing there, an empty file, or a broken line.
    """
    documents: list[Document] = []
    for path in matching_files(pattern):
        if path.name.endswith(JSONL):
            documents += JsonlDocuments(str(path), text_field=text_field, on_error=on_error)
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8 text: {error}") from error
        if text:
            documents.append(Document(path.name, text))
        elif on_error == "stop":
            raise DataError(f"{path} is empty: there is nothing to compress; leave it out, or set on_error=skip")
    if not documents:
        raise DataError(f"{pattern} holds no document")
    return documents


def compress(config: DictConfig) -> Path:
    """Compress as `config` says; returns the file that was written."""
    if config.threads:
        torch.set_num_threads(config.threads)
    for name in ("checkpoint", "input", "output"):
        if config[name] is None:
            raise ConfigError(
                f"{name} is missing: arc-compress checkpoint=<run>/compressor input=<files> output=<file.safetensors>"
            )
    output = Path(config.output)
    if output.exists() and not config.overwrite:
        raise ConfigError(f"{output} exists already; choose another name, or set overwrite=true")
    try:  # before hours of work
        output.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=output.parent).close()
    except OSError as error:
        raise ConfigError(f"{output} cannot be written ({error.strerror}); choose another output=<file>") from error
    documents = read_documents(config.input, config.text_field, config.on_error)
    device = choose_device(config.device)
    compressor = Compressor.from_pretrained(
        config.checkpoint,
        decoder_name=config.decoder_name,
        device=device,
        dtype=config.dtype,
        tokenizer=config.encoder_tokenizer,
    )
    vectors = []
    step = config.batch_size * 8  # sorted by length inside, so that little is padded
    for start in tqdm(range(0, len(documents), step), desc="compressing", unit="block"):
        texts = [document.text for document in documents[start : start + step]]
        try:
            vectors += compressor.compress(texts, factor=config.factor, batch_size=config.batch_size)
        except DataError as error:
            raise DataError(f"from document {documents[start].id!r} on, {error}") from error
    counts = torch.tensor([0] + [len(vector) for vector in vectors])
    metadata = {
        "ids": json.dumps([document.id for document in documents]),
        "decoder": compressor.decoder_name,
        "factor": str(config.factor or compressor.model.encoder.pooling.overall_factor),
    }
    with atomic_path(output) as part:
        save_file({"vectors": torch.cat(vectors), "offsets": counts.cumsum(0)}, part, metadata=metadata)
    print(f"{len(documents)} documents → {int(counts.sum())} vectors of width {vectors[0].shape[1]} in {output}")
    return output


def main() -> None:
    """Console entry point."""
    run_app("compress", lambda config: compress(config) and None, keys=KEYS)


if __name__ == "__main__":
    main()
