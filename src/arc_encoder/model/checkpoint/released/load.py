"""A released ARC-Encoder → `ArcEncoderModel`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from transformers import PreTrainedModel

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.checkpoint.config import ArcEncoderConfig
from arc_encoder.model.checkpoint.released.checkpoint import Checkpoint
from arc_encoder.model.checkpoint.released.settings import pooling_of, projector_of
from arc_encoder.model.encoder.pooling import MemoryTokens
from arc_encoder.model.language_models.layouts.names import rotated, to_hugging_face
from arc_encoder.model.language_models.layouts.rotary import half_split
from arc_encoder.model.language_models.layouts.shape import TransformerShape
from arc_encoder.model.language_models.state_dict_mismatch import state_dict_mismatches

Loaded = TypeVar("Loaded", bound=PreTrainedModel)
TOKENS = {"reconstruct": "rec_tok", "continue": "cont_tok"}


def load_checkpoint(
    model_class: type[Loaded],
    checkpoint: Checkpoint,
    *,
    backbone: Path | None = None,
    decoders: Sequence[str] | None = None,
    dtype: torch.dtype | None = None,
) -> Loaded:
    """Build the model; at most one copy of the weights is held at any time.

    Args:
        decoders: names for its decoders, in their order; ``decoder_0``, ``decoder_1`` … by default.
        dtype: of the weights; as they are stored by default.

    Raises:
        CheckpointError: weights that are missing or too many (all are named), or of another shape.
    """
    shape = checkpoint.shape(backbone)
    config = configuration(checkpoint, shape, decoders)
    state = converted(checkpoint, shape, list(config.heads), dtype)
    with torch.device("meta"):
        expected = model_class(config).state_dict()
    problems = state_dict_mismatches(state, expected)
    if problems:
        raise CheckpointError(f"the weights of {checkpoint.folder} do not fit its settings: {'; '.join(problems)}")
    kinds = {value.dtype for value in state.values()}
    if len(kinds) > 1:
        raise CheckpointError(
            f"{checkpoint.folder} mixes the dtypes {', '.join(sorted(map(str, kinds)))}; choose one with `dtype`"
        )
    model: Loaded = model_class.from_pretrained(None, config=config, state_dict=state, dtype=kinds.pop())
    return model.eval()


def configuration(
    checkpoint: Checkpoint, shape: TransformerShape, decoders: Sequence[str] | None = None
) -> ArcEncoderConfig:
    """The model's configuration, from the checkpoint's settings and the names of its weights.

    Raises:
        CheckpointError: settings that this project does not know, or a wrong number of names.
    """
    settings, layers = checkpoint.settings, checkpoint.layers()
    cut = int(settings.get("n_truncated_layers") or 0)
    if shape.layers - cut != layers:
        raise CheckpointError(
            f"{checkpoint.folder} holds {layers} layers, but {shape.layers} less n_truncated_layers={cut} make {shape.layers - cut}"
        )
    count = number_of_decoders(checkpoint)
    names = list(decoders) if decoders is not None else [f"decoder_{i}" for i in range(count)]
    if len(names) != count:
        raise CheckpointError(
            f"{checkpoint.folder} serves {count} decoder{'s' if count > 1 else ''}, but {len(names)} names were given: {', '.join(names)}"
        )
    pooling = pooling_of(settings)
    tokens = has_task_tokens(checkpoint)
    heads = {
        name: {"projector": projector_of(checkpoint.bridge, projector_prefix(checkpoint, i)), "task_tokens": tokens}
        for i, name in enumerate(names)
    }
    return ArcEncoderConfig(
        backbone=shape.config(layers).to_dict(),
        pooling={"name": type(pooling).__name__, "settings": pooling.settings()},
        heads=heads,
        rotary_scaling=False,  # that implementation knows none
        causal=bool(settings.get("causal_embedder", False)),
        released={**checkpoint.params, "n_layers_backbone": shape.layers},
    )


def converted(
    checkpoint: Checkpoint, shape: TransformerShape, decoders: Sequence[str], dtype: torch.dtype | None = None
) -> dict[str, Tensor]:
    """The weights under our names and in our rotary layout.

    Raises:
        CheckpointError: names that the layout does not have; all are named.
    """
    state: dict[str, Tensor] = {}
    unknown = []
    for name in checkpoint.embedder:
        if name.split(".")[0] in (*TOKENS.values(), "mem_embeddings"):
            continue
        try:
            ours = to_hugging_face(name)
        except CheckpointError:
            unknown.append(f"embedder.{name}")
            continue
        if ours == "norm.weight":  # of the backbone; the encoder has no final norm
            continue
        weight, role = checkpoint.embedder[name], rotated(ours)
        if role is not None:
            weight = half_split(weight, shape.heads if role == "query" else shape.kv_heads)
        state[f"encoder.backbone.{ours}"] = weight
    if unknown:
        raise CheckpointError(f"{checkpoint.folder} holds weights of no known name: {', '.join(sorted(unknown))}")
    if isinstance(pooling_of(checkpoint.settings), MemoryTokens):
        state["encoder.pooling.embeddings"] = _token(checkpoint, "mem_embeddings.0.weight", rows=None)
    for i, decoder in enumerate(decoders):
        prefix = projector_prefix(checkpoint, i)
        for name in checkpoint.bridge:
            if name.startswith(prefix) and not name.removeprefix(prefix)[0].isdigit():
                part = name.removeprefix(prefix)
                part = part if part.startswith("layer") else "norm.weight"
                state[f"heads.{decoder}.projector.{part}"] = checkpoint.bridge[name]
        if has_task_tokens(checkpoint):
            for ours, theirs in TOKENS.items():
                state[f"heads.{decoder}.task_tokens.{ours}"] = _token(checkpoint, f"{theirs}.{i}.weight", rows=1)[0]
    return {name: (value if dtype is None else value.to(dtype)).contiguous() for name, value in state.items()}


def number_of_decoders(checkpoint: Checkpoint) -> int:
    """Decoders that a checkpoint has projectors or task tokens for."""
    tokens = {name.split(".")[1] for name in checkpoint.embedder if name.split(".")[0] in TOKENS.values()}
    projectors = {name.split(".")[0] for name in checkpoint.bridge if name[0].isdigit()}
    return max(len(tokens), len(projectors), 1)


def projector_prefix(checkpoint: Checkpoint, decoder: int) -> str:
    """What the names of a decoder's projector begin with; nothing where all share one."""
    several = any(name[0].isdigit() for name in checkpoint.bridge)
    return f"{decoder}." if several else ""


def has_task_tokens(checkpoint: Checkpoint) -> bool:
    """Whether there are task tokens.

    Raises:
        CheckpointError: one kind without the other.
    """
    found = {kind for kind in TOKENS.values() if any(name.startswith(f"{kind}.") for name in checkpoint.embedder)}
    if len(found) == 1:
        raise CheckpointError(f"{checkpoint.folder} has {found.pop()} alone; expected both task tokens or none")
    return bool(found)


def _token(checkpoint: Checkpoint, name: str, *, rows: int | None) -> Tensor:
    if name not in checkpoint.embedder:
        raise CheckpointError(f"{checkpoint.folder} lacks embedder.{name}")
    value: Any = checkpoint.embedder[name]
    if value.ndim != 2 or (rows is not None and len(value) != rows):
        raise CheckpointError(f"embedder.{name} is {tuple(value.shape)}, expected ({rows or 'tokens'}, width)")
    return value
