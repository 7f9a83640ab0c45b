"""An open GGUF file: what it says about its model, and its tensors.

GGUF holds a model in one file: fields (sizes, vocabulary, chat template) and tensors, mostly quantised in blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from arc_encoder.core.errors import CheckpointError, needing

MAGIC = b"GGUF"


def is_gguf(path: str | Path) -> bool:
    """Whether `path` names a GGUF file, by its ending."""
    return str(path).lower().endswith(".gguf")


def gguf_library() -> Any:
    """The package `gguf`.

    Raises:
        ConfigError: it is not installed.
    """
    with needing("reading a GGUF file needs the package gguf", "gguf"):
        import gguf
    return gguf


class GgufFile:
    """Fields and tensors of a GGUF file; tensors are read from the disk when they are asked for.

    Raises:
        ConfigError: the package `gguf` is not installed.
        CheckpointError: no such file, no GGUF file, or half of one.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        library = gguf_library()
        try:
            with self.path.open("rb") as file:
                begins = file.read(len(MAGIC))
        except OSError as error:
            raise CheckpointError(
                f"{self.path} cannot be read ({error.strerror}); give the path of a GGUF file"
            ) from error
        if begins != MAGIC:
            raise CheckpointError(
                f"{self.path} is no GGUF file: it begins with {begins!r} instead of {MAGIC!r}. Copy or download it again"
            )
        try:
            reader = library.GGUFReader(self.path)
        except (ValueError, IndexError, KeyError, UnicodeDecodeError, OverflowError, MemoryError) as error:
            raise CheckpointError(
                f"{self.path} is damaged or cut off ({self.path.stat().st_size:,} bytes: {str(error).splitlines()[0]}); copy "
                "or download it again"
            ) from error
        self._fields: Mapping[str, Any] = reader.fields
        self.tensors: dict[str, Any] = {str(tensor.name): tensor for tensor in reader.tensors}
        self.architecture = str(self.field("general.architecture", "unknown"))
        if int(self.field("split.count", 1)) > 1:
            raise CheckpointError(
                f"{self.path} is one of {self.field('split.count')} parts; join them first with: llama-gguf-split --merge"
            )

    def field(self, name: str, default: Any = None) -> Any:
        """A field by its full name: a number, a text, a truth value or a list; `default` if it is not there."""
        found = self._fields.get(name)
        return default if found is None else found.contents()

    def size(self, name: str, default: Any = None) -> Any:
        """A field of the architecture, such as ``attention.head_count``.

        Raises:
            CheckpointError: it is not there, and there is no default.
        """
        key = f"{self.architecture}.{name}"
        value = self.field(key, default)
        if value is None:
            raise CheckpointError(f"{self.path} does not say {key}, which every model of its family has")
        return value

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, rows first.

        Raises:
            CheckpointError: there is no such tensor.
        """
        if name not in self.tensors:
            raise CheckpointError(f"{self.path} lacks the tensor {name}, which every model has")
        return tuple(int(size) for size in reversed(self.tensors[name].shape))

    def values(self, name: str) -> Tensor:
        """A tensor in float32, out of its blocks.

        Raises:
            CheckpointError: it is quantised in a way that the package `gguf` cannot undo.
        """
        tensor = self.tensors[name]
        try:
            values = gguf_library().quants.dequantize(tensor.data, tensor.tensor_type)
        except (NotImplementedError, ValueError) as error:
            raise CheckpointError(
                f"{name} of {self.path} cannot be read: {error}; take a file with another quantisation, such as Q4_K_M or Q8_0"
            ) from error
        return torch.tensor(values.reshape(self.shape(name)))

    def stored_dtype(self) -> str:
        """The dtype that holds the matrices without loss as far as one can: that of F32 and F16 files, else bfloat16."""
        kinds = {tensor.tensor_type.name for tensor in self.tensors.values() if len(tensor.shape) > 1}
        return {"F32": "float32", "F16": "float16"}.get(next(iter(kinds)) if len(kinds) == 1 else "", "bfloat16")

    def elements(self) -> int:
        """Numbers in all tensors together."""
        return sum(int(tensor.n_elements) for tensor in self.tensors.values())
