"""One golden case: a released checkpoint, its decoders, and the recorded batches.

Shape legend: C contexts, L tokens, B samples, S text tokens.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from arc_encoder.core.batch import pad_rows
from arc_encoder.core.errors import CheckpointError
from arc_encoder.core.segments import TaskToken
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.language_models.layouts.language_model import load_language_model

Model = TypeVar("Model", bound=nn.Module)


class Case:
    """A folder of golden vectors.

    Args:
        folder: with config.json, checkpoints/, decoder_0/ …, io.json and io.safetensors.
    """

    def __init__(self, folder: Path, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self.folder, self.device, self.dtype = folder, device, dtype
        self.config: dict[str, Any] = json.loads((folder / "config.json").read_text())
        self.records: dict[str, Any] = json.loads((folder / "io.json").read_text())["batches"]

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """Recorded tensors of all batches, as ``<batch>.<name>``."""
        return load_file(self.folder / "io.safetensors")

    @cached_property
    def compressor(self) -> ArcEncoderModel:
        """The ARC-Encoder, loaded as a user would load it."""
        model: ArcEncoderModel = ArcEncoderModel.from_pretrained(self.folder, dtype=self.dtype)
        model.chunking.size = 10**6  # these batches are not cut
        return self._placed(model)

    @cached_property
    def decoders(self) -> list[PreTrainedModel]:
        """The frozen language models."""
        folders = sorted(self.folder.glob("decoder_*"), key=lambda path: int(path.name.split("_")[1]))
        if not folders:
            raise CheckpointError(f"{self.folder} holds no decoder_0")
        return [self._placed(load_language_model(folder, dtype=self.dtype)) for folder in folders]

    def golden(self, batch: str) -> dict[str, Tensor]:
        """Recorded tensors of one batch, by their own names."""
        start = f"{batch}."
        return {name.removeprefix(start): value for name, value in self.tensors.items() if name.startswith(start)}

    def contexts(self, batch: str) -> tuple[Tensor, Tensor]:
        """Context ids (C, L), padded, and lengths (C,)."""
        return self._rows(f"{batch}.enc_input_ids", self.records[batch]["enc_seqlens_flat"])

    def texts(self, batch: str) -> tuple[Tensor, Tensor]:
        """Text ids (B, S), padded, and lengths (B,)."""
        return self._rows(f"{batch}.dec_input_ids", self.records[batch]["dec_text_seqlens"])

    def places(self, batch: str) -> tuple[Tensor, Tensor]:
        """Sample of each context (C,), and the text tokens of that sample before it (C,)."""
        return insertion_places(self.records[batch]["insert_positions"], self.device)

    def task_token(self, batch: str) -> TaskToken:
        """The task token that a batch was recorded with."""
        kind = self.records[batch].get("batch_type", batch)
        return TaskToken.RECONSTRUCT if str(kind).startswith("rec") else TaskToken.CONTINUE

    def _placed(self, model: Model) -> Model:
        module: nn.Module = model
        module.to(self.device)
        return model

    def _rows(self, name: str, lengths: list[int]) -> tuple[Tensor, Tensor]:
        ids, sizes = pad_rows([row.tolist() for row in self.tensors[name].split(lengths)])
        return ids.to(self.device), sizes.to(self.device)


def insertion_places(insertions: list[list[int]], device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Recorded steps between insertions → sample and place of each context, both (C,)."""
    rows, positions = [], []
    for row, steps in enumerate(insertions):
        before = 0
        for step in steps:
            before += step
            rows.append(row)
            positions.append(before)
    return torch.tensor(rows, device=device), torch.tensor(positions, device=device)


def flat_rows(rows: Tensor, counts: Tensor) -> Tensor:
    """Rows (C, M, D) one after the other, up to `counts` (C,) of each."""
    valid = torch.arange(rows.shape[1], device=rows.device) < counts[:, None]
    flat: Tensor = rows[valid]
    return flat
