"""Finding a released ARC-Encoder in a folder, in any of the layouts that its authors use.

- the hub's: one `model.safetensors` with `embedder.*` and `bridge_module.*`, settings in `config.json`;
- a training run's: `checkpoints/checkpoint_N/` with `params.json`, `embedder/`, `bridge_module/`;
- such a checkpoint folder by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.language_models.layouts.shape import TransformerShape, read_json
from arc_encoder.model.language_models.layouts.tensors import Tensors, tensor_files

# Llama 3.2 3B, the backbone of every released ARC-Encoder (Pilchen et al., 2025, §4.1). A checkpoint folder
# does not repeat its number of heads.
LLAMA_3B = {
    "dim": 3072, "n_layers": 28, "n_heads": 24, "n_kv_heads": 8, "head_dim": 128, "hidden_dim": 8192,
    "vocab_size": 128256, "norm_eps": 1e-5, "rope_theta": 500000.0,
}  # fmt: skip


@dataclass(frozen=True)
class Checkpoint:
    """A released ARC-Encoder, nothing of its weights read yet.

    Attributes:
        folder: where it is.
        embedder, bridge: weights of encoder and projectors, in Meta's names.
        settings: of the encoder: pooling, truncation, task tokens.
        model: the transformer's params.json entries, if the checkpoint holds them.
        params: the whole settings file, so that an export can repeat what is not understood.
    """

    folder: Path
    embedder: Tensors
    bridge: Tensors
    settings: Mapping[str, Any]
    model: Mapping[str, Any] | None
    params: Mapping[str, Any]

    def shape(self, backbone: Path | None = None) -> TransformerShape:
        """The encoder's transformer, before truncation.

        Args:
            backbone: folder with the backbone's params.json, where the checkpoint does not say it.

        Raises:
            CheckpointError: nobody says it, or what is said contradicts the weights.
        """
        if backbone is not None:
            source, params = f"{backbone}/params.json", read_json(backbone / "params.json")
        elif self.model is not None:
            source, params = str(self.folder), dict(self.model)
        else:
            found = self._neighbour()
            if found is not None:
                source, params = str(found), read_json(found)
            elif self.embedder.size("tok_embeddings.weight") == (LLAMA_3B["vocab_size"], LLAMA_3B["dim"]):
                source, params = "Llama 3.2 3B", dict(LLAMA_3B)
            else:
                raise CheckpointError(
                    f"{self.folder} does not say how many heads its encoder has; give the folder with the backbone's params.json as `backbone`"
                )
        shape = TransformerShape.from_params(params, source)
        self._compare(shape, source)
        return shape

    def layers(self) -> int:
        """Layers that the encoder has left."""
        numbers = {int(name.split(".")[1]) for name in self.embedder if name.startswith("layers.")}
        if numbers != set(range(len(numbers))) or not numbers:
            raise CheckpointError(f"{self.folder} holds layers {sorted(numbers)}; expected all from 0 on")
        return len(numbers)

    def _neighbour(self) -> Path | None:
        """`encoder_backbone/params.json` of the run that this checkpoint belongs to."""
        for parent in list(self.folder.parents)[:2]:
            file = parent / "encoder_backbone" / "params.json"
            if file.is_file():
                return file
        return None

    def _compare(self, shape: TransformerShape, source: str) -> None:
        expected = {
            "tok_embeddings.weight": (shape.vocabulary, shape.width),
            "layers.0.attention.wq.weight": (shape.heads * shape.head_dim, shape.width),
            "layers.0.attention.wk.weight": (shape.kv_heads * shape.head_dim, shape.width),
            "layers.0.feed_forward.w1.weight": (shape.feed_forward, shape.width),
        }
        missing = [name for name in expected if name not in self.embedder]
        if missing:
            raise CheckpointError(f"the encoder of {self.folder} lacks {', '.join(missing)}")
        wrong = [
            f"{name} is {self.embedder.size(name)}, expected {size}"
            for name, size in expected.items()
            if self.embedder.size(name) != size
        ]
        if wrong:
            raise CheckpointError(
                f"the weights of {self.folder} are not of the shape that {source} gives: {'; '.join(wrong)}"
            )


def find_checkpoint(folder: Path) -> Checkpoint | None:
    """The released ARC-Encoder in `folder`; None if there is none.

    Raises:
        CheckpointError: one that is not whole.
    """
    if (folder / "params.json").is_file() and (folder / "embedder").is_dir():
        return _separate(folder)
    numbered = [path for path in (folder / "checkpoints").glob("checkpoint_*") if (path / "params.json").is_file()]
    if numbered:
        return _separate(max(numbered, key=lambda path: int(re.sub(r"\D", "", path.name) or 0)))
    if (folder / "config.json").is_file() or (folder / "params.json").is_file():
        return _single(folder)
    return None


def _separate(folder: Path) -> Checkpoint:
    params = read_json(folder / "params.json")
    for part in ("embedder_params", "bridge_module"):
        if not isinstance(params.get(part), dict):
            raise CheckpointError(f"{folder / 'params.json'} lacks {part!r} (it has: {', '.join(params)})")
    return Checkpoint(
        folder,
        Tensors(tensor_files(folder / "embedder")),
        Tensors(tensor_files(folder / "bridge_module")),
        params["embedder_params"],
        params.get("model_args"),
        params,
    )


def _single(folder: Path) -> Checkpoint | None:
    file = folder / "params.json" if (folder / "params.json").is_file() else folder / "config.json"
    params = read_json(file)
    settings = params.get("embedder_args") or params.get("embedder_params")
    bridge = params.get("bridge_args") or params.get("bridge_module")
    if not isinstance(settings, dict) or not isinstance(bridge, dict):
        return None
    files = tensor_files(folder)
    return Checkpoint(
        folder,
        Tensors(files, "embedder."),
        Tensors(files, "bridge_module."),
        settings,
        params.get("model_args"),
        params,
    )
