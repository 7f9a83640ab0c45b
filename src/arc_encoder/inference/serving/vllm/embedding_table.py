"""A decoder's token embeddings without the decoder: its matrix, mapped from the file, of which only used rows are read.

Shape legend: S ids, E decoder width.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM

from arc_encoder.core.errors import CheckpointError
from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.model.language_models.layouts.tensors import Tensors, tensor_files


class EmbeddingTable:
    """Input embeddings of a causal language model.

    Args:
        folder: in Hugging Face layout, with config.json and *.safetensors.

    Raises:
        CheckpointError: the matrix is not there.
    """

    def __init__(self, folder: str | Path) -> None:
        place = Path(folder)
        try:
            config = AutoConfig.from_pretrained(place)
            with torch.device("meta"):
                model: Any = AutoModelForCausalLM.from_config(config)
            table = model.get_input_embeddings()
            name = next(f"{name}.weight" for name, module in model.named_modules() if module is table)
            self.weight: Tensor = Tensors(tensor_files(place))[name]
        except (OSError, ValueError, KeyError, StopIteration, CheckpointError) as error:
            raise CheckpointError(
                f"no token embeddings could be read from {folder} ({type(error).__name__}: {error}); expected the decoder's own folder "
                "with config.json and *.safetensors"
            ) from error
        self.scale = _scale_of(table)

    @property
    def width(self) -> int:
        """Decoder width E."""
        return int(self.weight.shape[1])

    def rows(self, ids: Sequence[int]) -> Tensor:
        """Ids (S,) → embeddings (S, E), scaled as the model scales them."""
        found = self.weight[torch.tensor(ids, dtype=torch.long)]
        return found if self.scale == 1 else found * torch.tensor(self.scale).to(found.dtype)

    def embed(self, runs: Sequence[list[int] | CompressedContext]) -> Tensor:
        """A prompt of ids and vectors as embeddings (T, E), in the dtype of the matrix.

        Raises:
            DataError: vectors that this dtype cannot hold.
        """
        parts = [
            run.vectors_as(self.weight.dtype) if isinstance(run, CompressedContext) else self.rows(run) for run in runs
        ]
        return torch.cat(parts)


def _scale_of(table: nn.Module) -> float:
    """What the model multiplies its embeddings by, such as Gemma's square root of the width.

    Raises:
        CheckpointError: an embedding that does something unknown.
    """
    if type(table) is nn.Embedding:
        return 1.0
    scale = getattr(table, "scalar_embed_scale", None)
    if isinstance(scale, float | int):
        return float(scale)
    raise CheckpointError(f"the decoder's {type(table).__name__} is no plain embedding; send chats instead")
