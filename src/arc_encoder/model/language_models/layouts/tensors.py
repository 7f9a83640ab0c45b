"""Tensors of safetensors files, read one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from arc_encoder.core.errors import CheckpointError

PICKLES = (".bin", ".pth", ".pt", ".ckpt", ".pkl")


class Tensors(Mapping[str, Tensor]):
    """Named tensors below a prefix; each is read when it is asked for.

    Raises:
        CheckpointError: a file that is no whole safetensors file.
    """

    def __init__(self, files: list[Path], prefix: str = "") -> None:
        self.prefix, self._places = prefix, dict[str, Path]()
        for file in files:
            try:
                with safe_open(file, framework="pt") as content:
                    names = list(content.keys())
            except (SafetensorError, OSError) as error:
                raise CheckpointError(
                    f"{file} is damaged, cut off, or no safetensors file: {error}. Copy or download it again"
                ) from error
            self._places |= {name.removeprefix(prefix): file for name in names if name.startswith(prefix)}

    def __getitem__(self, name: str) -> Tensor:
        with safe_open(self._places[name], framework="pt") as content:
            tensor: Tensor = content.get_tensor(self.prefix + name)
        return tensor

    def size(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, without reading it."""
        with safe_open(self._places[name], framework="pt") as content:
            return tuple(content.get_slice(self.prefix + name).get_shape())

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return f"Tensors({', '.join(sorted({str(file) for file in self._places.values()}))})"


def tensor_files(folder: Path) -> list[Path]:
    """The safetensors files that hold a model's weights, sharded or not.

    Raises:
        CheckpointError: there is none, or a shard is missing; pickle files are refused by name.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            shards = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        except (ValueError, KeyError, AttributeError) as error:
            raise CheckpointError(f"{index} cannot be read: {error}") from error
        missing = [shard for shard in shards if not (folder / shard).is_file()]
        if missing:
            raise CheckpointError(f"{folder} lacks {', '.join(missing)}, which {index.name} names")
        return [folder / shard for shard in shards]
    found = sorted(folder.glob("*.safetensors"))
    if found:
        preferred = [file for file in found if file.stem in ("model", "consolidated")]
        return preferred[:1] or found
    pickles = sorted(file.name for file in folder.glob("*") if file.suffix in PICKLES)
    if pickles:
        raise CheckpointError(
            f"{folder} holds {', '.join(pickles[:3])} and no safetensors file. Pickle files can run code when they are "
            "read and are refused; convert them to safetensors where you trust them"
        )
    raise CheckpointError(f"{folder} holds no *.safetensors file")
