"""A GGUF file as an ordinary folder: config.json, tokenizer files and safetensors, which every loader reads.

llama.cpp's names of weights come from its own table, in the package `gguf`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm
from transformers import AutoModelForCausalLM, PretrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.language_models.downloads.catalogue import DTYPES
from arc_encoder.model.language_models.gguf.families import Family, family_of
from arc_encoder.model.language_models.gguf.reader import GgufFile, gguf_library
from arc_encoder.model.language_models.gguf.rotary import FREQUENCIES, LONG, SHORT
from arc_encoder.model.language_models.gguf.vocabulary import tokenizer_of

IN_CONFIG = {FREQUENCIES, LONG, SHORT}  # tensors that became settings
READABLE = 0o644
SHARD = 4 * 10**9  # bytes of a safetensors file, after which the next begins


def weights(file: GgufFile, config: PretrainedConfig, family: Family) -> Iterator[tuple[str, Tensor]]:
    """Every weight in float32 with its name in the model, with a progress bar in a terminal.

    Raises:
        CheckpointError: weights that are missing, too many, of another shape, or that cannot be read.
    """
    expected = _expected(config)
    places = _places(file, config, expected)
    for name, place in tqdm(places.items(), desc="converting", unit=" tensors", disable=None):
        values = family.undo(name, file.values(place), config)
        if values.shape != expected[name]:
            raise CheckpointError(
                f"{place} of {file.path} has the shape {tuple(values.shape)}, but its sizes ask for {tuple(expected[name])}"
            )
        yield name, values


def write_weights(folder: Path, named: Iterable[tuple[str, Tensor]], dtype: torch.dtype) -> None:
    """Write weights as model.safetensors, or as several files of about 4 GB and their index."""
    held: dict[str, Tensor] = {}
    where: dict[str, int] = {}
    size = shards = total = 0
    for name, values in named:
        kept = values.to(dtype).contiguous()
        if held and size + kept.nbytes > SHARD:
            shards += 1
            _save(held, folder / _part(shards))
            held, size = {}, 0
        held[name], where[name] = kept, shards + 1
        size, total = size + kept.nbytes, total + kept.nbytes
    if not shards:
        _save(held, folder / "model.safetensors")
        return
    _save(held, folder / _part(shards + 1))
    index = {"metadata": {"total_size": total}, "weight_map": {name: _part(part) for name, part in where.items()}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")


def _save(tensors: dict[str, Tensor], file: Path) -> None:
    save_file(tensors, file, metadata={"format": "pt"})
    file.chmod(READABLE)  # others may share the folder, as they may its other files


def _part(number: int) -> str:
    return f"model-{number:05d}.safetensors"


def _expected(config: PretrainedConfig) -> dict[str, torch.Size]:
    """Shape of every weight of the model; a head that is tied to the embeddings is not one."""
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config)
    return {name: weight.shape for name, weight in model.named_parameters()}


def _places(file: GgufFile, config: PretrainedConfig, expected: Iterable[str]) -> dict[str, str]:
    """Name in the model → name in the file."""
    library = gguf_library()
    kinds = {name: kind for kind, name in library.MODEL_ARCH_NAMES.items()}
    names = library.get_tensor_name_map(kinds[file.architecture], int(config.num_hidden_layers))
    places = {name: str(names.get_name(name, try_suffixes=(".weight", ".bias"))) for name in expected}
    missing = [f"{place} ({name})" for name, place in places.items() if place not in file.tensors]
    if missing:
        raise CheckpointError(
            f"{file.path} lacks {len(missing)} of {len(places)} tensors: {_first(missing)}. It is no whole model of the family "
            f"{file.architecture}; download it again, or take another file"
        )
    more = sorted(set(file.tensors) - set(places.values()) - IN_CONFIG)
    if more:
        raise CheckpointError(
            f"{file.path} holds {len(more)} tensors that a plain model of the family {file.architecture} has no place for: "
            f"{_first(more)}; such variants, mixtures of experts among them, cannot be converted"
        )
    return places


def _first(names: list[str], limit: int = 3) -> str:
    return ", ".join(names[:limit]) + (" …" if len(names) > limit else "")


LOG = logging.getLogger(__name__)
ORIGIN = "origin.json"  # says what a folder was made of
BESIDE = 50_000_000  # bytes of config and tokenizer, generously


def write_folder(file: GgufFile, folder: Path, *, dtype: str | None = None, origin: dict[str, str]) -> None:
    """Convert `file` into `folder`, which exists.

    A tokenizer that cannot be converted is left out with a warning: another may be given when the model is loaded.

    Args:
        dtype: of the weights; None takes what the file holds, bfloat16 for quantised ones.

    Raises:
        CheckpointError: a family that is not known, or weights that are not those of one.
        ConfigError: an unknown dtype.
    """
    family = family_of(file)
    config = family.config(file)
    kind = pick_dtype(file, dtype)
    config.architectures, config.dtype = [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[config.model_type]], kind
    write_weights(folder, weights(file, config, family), getattr(torch, kind))
    try:
        tokenizer_of(file).save_pretrained(folder)
    except CheckpointError as error:
        LOG.warning("%s; give a folder or hub name as `tokenizer`", error)
    (folder / ORIGIN).write_text(json.dumps({**origin, "dtype": kind}, indent=2) + "\n", encoding="utf-8")
    config.save_pretrained(folder)


def pick_dtype(file: GgufFile, dtype: str | None) -> str:
    """The dtype to convert to.

    Raises:
        ConfigError: an unknown one was asked for.
    """
    if dtype is not None and dtype not in DTYPES:
        raise ConfigError(f"dtype {dtype!r} is unknown; choose {', '.join(DTYPES)}")
    return dtype or file.stored_dtype()


def room_for(file: GgufFile, dtype: str | None) -> int:
    """Bytes that the folder takes."""
    return file.elements() * getattr(torch, pick_dtype(file, dtype)).itemsize + BESIDE
