"""Language models in Meta's, Mistral's and OLMo-1's own layouts → Hugging Face models.

Such a folder holds `params.json` and safetensors files. Meta publishes pickle files, which are
refused; Mistral publishes safetensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel, AutoModelForCausalLM, OlmoConfig, PretrainedConfig, PreTrainedModel

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.language_models.layouts.names import rotated, to_hugging_face
from arc_encoder.model.language_models.layouts.rotary import half_split
from arc_encoder.model.language_models.layouts.shape import WINDOW, TransformerShape, read_json
from arc_encoder.model.language_models.layouts.tensors import Tensors, tensor_files
from arc_encoder.model.language_models.state_dict_mismatch import state_dict_mismatches

OLMO, PREFIX, HEAD = "model.transformer.", "model.", "lm_head.weight"
OLMO_BLOCK = {
    "att_proj.weight": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attn_out.weight": ("self_attn.o_proj",),
    "ff_proj.weight": ("mlp.up_proj", "mlp.gate_proj"),
    "ff_out.weight": ("mlp.down_proj",),
}
Take = Callable[[], Tensor]


def is_foreign_folder(path: str | Path) -> bool:
    """Whether `path` is a folder of one of these layouts: params.json, and no config.json."""
    folder = Path(path)
    return (folder / "params.json").is_file() and not (folder / "config.json").is_file()


def load_language_model(
    folder: Path, *, body: bool = False, layers: int | None = None, dtype: torch.dtype | None = None, **options: Any
) -> PreTrainedModel:
    """Load a language model, or its body without head.

    Args:
        dtype: of the weights; as they are stored by default.

    Raises:
        CheckpointError: weights that are missing or unknown, all named.
    """
    tensors = Tensors(tensor_files(folder))
    config = foreign_config(folder, tensors)
    places = _olmo_places(tensors) if config.model_type == "olmo" else _meta_places(tensors, config)
    if layers is not None:
        config.num_hidden_layers = layers
    kind: Any = AutoModel if body else AutoModelForCausalLM
    with torch.device("meta"):
        empty = kind.from_config(config)
    expected = empty.state_dict()
    read = {f"{'' if body else PREFIX * (name != HEAD)}{name}": take for name, take in places.items()}
    if layers is not None or body:  # what was cut off is not missed
        read = {name: take for name, take in read.items() if name in expected or not _cut(name, config)}
    state = {name: take() for name, take in read.items()}
    problems = state_dict_mismatches(state, expected)
    if problems:
        raise CheckpointError(f"the weights of {folder} do not fit its params.json: {'; '.join(problems)}")
    chosen = dtype or next(iter(state.values())).dtype
    model: PreTrainedModel = type(empty).from_pretrained(None, config=config, state_dict=state, dtype=chosen, **options)
    return model.eval()


def foreign_config(folder: Path, tensors: Tensors | None = None) -> PretrainedConfig:
    """The Hugging Face configuration of a model in one of these layouts; no weight is read.

    Raises:
        CheckpointError: params.json or the weights' names do not say enough.
    """
    tensors = Tensors(tensor_files(folder)) if tensors is None else tensors
    params = read_json(folder / "params.json")
    if any(name.startswith(OLMO) for name in tensors):
        return _olmo_config(tensors, params, str(folder))
    shape = TransformerShape.from_params(params, f"{folder}/params.json")
    return shape.config(mistral=shape.mistral)


def _cut(name: str, config: PretrainedConfig) -> bool:
    """Whether a weight belongs to the head or to a layer that is left out."""
    parts = name.removeprefix(PREFIX).split(".")
    return name == HEAD or (parts[0] == "layers" and int(parts[1]) >= int(config.num_hidden_layers))


def _meta_places(tensors: Tensors, config: PretrainedConfig) -> dict[str, Take]:
    """How each weight of a Meta or Mistral model is read, by its Hugging Face name."""
    places: dict[str, Take] = {}
    for name in tensors:
        if name == "output.weight":
            places[HEAD] = partial(tensors.__getitem__, name)
            continue
        ours = to_hugging_face(name)
        places[ours] = partial(_rotated, tensors, name, ours, config)
    return places


def _rotated(tensors: Tensors, name: str, ours: str, config: PretrainedConfig) -> Tensor:
    role = rotated(ours)
    if role is None:
        return tensors[name]
    heads = config.num_attention_heads if role == "query" else config.num_key_value_heads
    return half_split(tensors[name], int(heads))


def _olmo_config(tensors: Tensors, params: Mapping[str, Any], source: str) -> PretrainedConfig:
    missing = [key for key in ("dim", "n_layers", "n_heads", "vocab_size") if key not in params]
    if missing:
        raise CheckpointError(f"{source}/params.json does not say {', '.join(missing)} of the transformer")
    heads = int(params["n_heads"])
    return OlmoConfig(
        vocab_size=tensors.size(f"{OLMO}wte.weight")[0],
        hidden_size=int(params["dim"]),
        intermediate_size=tensors.size(f"{OLMO}blocks.0.ff_proj.weight")[0] // 2,
        num_hidden_layers=int(params["n_layers"]),
        num_attention_heads=heads,
        num_key_value_heads=int(params.get("n_kv_heads") or heads),
        max_position_embeddings=WINDOW,
        rope_parameters={"rope_type": "default", "rope_theta": float(params.get("rope_theta") or 1e4)},
        clip_qkv=None,
        tie_word_embeddings=f"{OLMO}ff_out.weight" not in tensors,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )


def _olmo_places(tensors: Tensors) -> dict[str, Take]:
    """How each weight of an OLMo-1 model is read; its fused projections are cut apart."""
    places: dict[str, Take] = {}
    for name in tensors:
        part = name.removeprefix(OLMO)
        whole = partial(tensors.__getitem__, name)
        if part in ("wte.weight", "ff_out.weight"):
            places["embed_tokens.weight" if part == "wte.weight" else HEAD] = whole
            continue
        _, number, block = part.split(".", 2)
        if block not in OLMO_BLOCK:
            raise CheckpointError(f"{name!r} is no parameter of OLMo-1's layout")
        names = OLMO_BLOCK[block]
        for piece, ours in enumerate(names):
            places[f"layers.{number}.{ours}.weight"] = (
                whole if len(names) == 1 else partial(_piece, tensors, name, piece, len(names))
            )
    return places


def _piece(tensors: Tensors, name: str, number: int, pieces: int) -> Tensor:
    return tensors[name].chunk(pieces)[number].clone()
