"""Files of vectors, each named by the SHA-256 of its content, so that none is ever changed and damage can be told."""

from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from arc_encoder.core.atomic import UNFINISHED, atomic_file, sha256_of
from arc_encoder.core.errors import DataError, writing
from arc_encoder.core.lru import Lru

OPEN_SHARDS = 256  # memory-mapped at once


class Shards:
    """The shards of a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: Lru[str, dict[str, Tensor]] = Lru(OPEN_SHARDS)

    def close(self) -> None:
        """Let go of all files."""
        self._open.clear()

    def read(self, name: str) -> dict[str, Tensor]:
        """The tensors of a shard, memory-mapped.

        Raises:
            DataError: it is missing or no safetensors file.
        """
        found = self._open.get(name)
        if found is None:
            try:
                found = load_file(self.folder / name)
            except (OSError, SafetensorError) as error:
                raise DataError(f"shard {name} of {self.folder.parent} cannot be read ({error})") from error
            self._open.put(name, found)
        return found

    def write(self, tensors: dict[str, Tensor]) -> str:
        """Write a shard, atomically, and return its name.

        Raises:
            DataError: it cannot be written.
        """
        content = save({key: tensor.contiguous() for key, tensor in tensors.items()})
        name = f"{hashlib.sha256(content).hexdigest()}.safetensors"
        what, hint = f"the store {self.folder.parent}", "what it held before is untouched"
        with writing(what, hint, kind=DataError), atomic_file(self.folder / name) as file:
            file.write(content)
        return name

    def has(self, name: str) -> bool:
        """Whether a shard is there."""
        return (self.folder / name).is_file()

    def sound(self, name: str) -> bool:
        """Whether a shard is there, and is what was written."""
        return self.has(name) and sha256_of(self.folder / name) == Path(name).stem

    def sizes(self) -> dict[str, int]:
        """Bytes of all shards."""
        return {file.name: file.stat().st_size for file in self.folder.glob("*.safetensors")}

    def remove(self, names: set[str]) -> None:
        """Remove shards, and what writers left that were killed."""
        for file in self.folder.iterdir():
            if file.name in names or unfinished(file):
                file.unlink()


def unfinished(file: Path) -> bool:
    """Whether this is what a writer writes to before it is whole."""
    return file.name.startswith(".") and file.name.endswith(UNFINISHED)
