"""The weights of a GGUF file under the library's names, and safetensors files of them.

llama.cpp's names come from its own table, in the package `gguf`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm
from transformers import AutoModelForCausalLM, PretrainedConfig

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.language_models.gguf.families import Family
from arc_encoder.model.language_models.gguf.reader import GgufFile, gguf_library
from arc_encoder.model.language_models.gguf.rotary import FREQUENCIES, LONG, SHORT

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
