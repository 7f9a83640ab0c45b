"""`ArcEncoderModel` → the released layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import PretrainedConfig

from arc_encoder.core.atomic import atomic_directory
from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.checkpoint.released.load import TOKENS
from arc_encoder.model.checkpoint.released.settings import pooling_settings
from arc_encoder.model.encoder.pooling import MemoryTokens
from arc_encoder.model.language_models.layouts.names import rotated, to_meta
from arc_encoder.model.language_models.layouts.rotary import interleaved

FAMILIES = ("llama", "mistral")


def export_checkpoint(model: ArcEncoderModel, folder: Path) -> None:
    """Write `params.json`, `embedder/` and `bridge_module/`, all at once or not at all.

    What an earlier import did not understand of params.json is written again as it was.

    Raises:
        CheckpointError: an encoder that this layout cannot hold, or a folder that exists.
    """
    if folder.exists():
        raise CheckpointError(f"{folder} exists already; choose another folder")
    params = parameters(model)
    with atomic_directory(folder) as fresh:
        for part, tensors in (("embedder", embedder(model)), ("bridge_module", bridge(model))):
            (fresh / part).mkdir(parents=True)
            save_file(tensors, fresh / part / "consolidated.safetensors")
        (fresh / "params.json").write_text(json.dumps(params, indent=4))


def parameters(model: ArcEncoderModel) -> dict[str, Any]:
    """The content of params.json.

    Raises:
        CheckpointError: a family, pooling or projector that this layout does not have.
    """
    backbone, earlier = model.encoder.backbone.config, dict(model.config.to_dict().get("released") or {})
    if backbone.model_type not in FAMILIES:
        raise CheckpointError(
            f"an encoder of the family {backbone.model_type} cannot be written in the released layout, which holds {', '.join(FAMILIES)}"
        )
    if any(head.adapter is not None for head in model.decoder_heads()):
        raise CheckpointError("the released layout has no place for the changes of a decoder that was trained too")
    more = [name for name, settings in model.config.heads.items() if settings.get("start") or settings.get("gain")]
    if more or model.config.layer_mix:
        what = "a mixture of layers (model.layer_mix)" if not more else f"a start or gain (decoder {', '.join(more)})"
        raise CheckpointError(
            f"the released layout has no place for {what}; keep the layout huggingface, or train without start, gain and layer_mix"
        )
    layers = int(backbone.num_hidden_layers)
    total = int(earlier.pop("n_layers_backbone", layers))
    first = next(iter(model.decoder_heads())).projector
    old = dict(earlier.get("embedder_params") or earlier.get("embedder_args") or {})
    pooling = pooling_settings(model.encoder.pooling)
    module = {**(old.get("pooling_module") or {}), **pooling.pop("pooling_module")}
    if isinstance(model.encoder.pooling, MemoryTokens) and "pooling_module" in old:
        module = old["pooling_module"]  # names an operator that is never used
    kinds = {bool(head.task_tokens) for head in model.decoder_heads()}
    if len(kinds) > 1:
        raise CheckpointError(
            "the released layout holds task tokens for all decoders or for none, but here some have them"
        )
    tokens = kinds.pop()
    known = {
        "n_truncated_layers": total - layers,
        "pooling_module": module,
        **pooling,
        "rec_tok": tokens,
        "cont_tok": tokens,
        "causal_embedder": model.encoder.causal,
    }
    settings = {**{"trained_layers": layers, "train_embedding_mtx": True}, **old, **known}
    shape: dict[str, Any] = {"in_dim": first.in_dim, "out_dim": first.out_dim}
    if hasattr(first, "bottleneck"):
        shape["hidden_dim"] = first.bottleneck
    kind = "multi_module" if len(model.heads) > 1 else "mlp"
    projector = {"bridge_type": kind, **(earlier.get("bridge_module") or earlier.get("bridge_args") or {}), **shape}
    rest = {key: value for key, value in earlier.items() if not key.startswith(("embedder_", "bridge_"))}
    if not earlier:  # of our own: say the shape as well, so that the folder can be loaded by itself
        rest = {"model_args": _shape(backbone, total)}
    dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    return {"param_dtype": dtype, **rest, "embedder_params": settings, "bridge_module": projector}


def _shape(backbone: PretrainedConfig, layers: int) -> dict[str, Any]:
    """The transformer's entries of params.json."""
    heads = int(backbone.num_attention_heads)
    return {
        "dim": int(backbone.hidden_size),
        "n_layers": layers,
        "n_heads": heads,
        "n_kv_heads": int(backbone.num_key_value_heads),
        "head_dim": int(getattr(backbone, "head_dim", None) or backbone.hidden_size // heads),
        "hidden_dim": int(backbone.intermediate_size),
        "vocab_size": int(backbone.vocab_size),
        "norm_eps": float(backbone.rms_norm_eps),
        "rope_theta": float(backbone.rope_parameters["rope_theta"]),
    }


def embedder(model: ArcEncoderModel) -> dict[str, Tensor]:
    """Weights of the encoder and its task tokens, in Meta's names and rotary layout."""
    config, tensors = model.encoder.backbone.config, dict[str, Tensor]()
    heads, kv_heads = int(config.num_attention_heads), int(config.num_key_value_heads)
    for name, weight in model.encoder.backbone.state_dict().items():
        role = rotated(name)
        if role is not None:
            weight = interleaved(weight, heads if role == "query" else kv_heads)
        tensors[to_meta(name)] = weight.contiguous()
    if isinstance(model.encoder.pooling, MemoryTokens):
        tensors["mem_embeddings.0.weight"] = model.encoder.pooling.embeddings.detach()
    for i, head in enumerate(model.decoder_heads()):
        for ours, theirs in TOKENS.items():
            if head.task_tokens:
                tensors[f"{theirs}.{i}.weight"] = head.task_tokens[ours].detach()[None]
    return tensors


def bridge(model: ArcEncoderModel) -> dict[str, Tensor]:
    """Weights of the projectors; one for all decoders where they were read from one and still are the same.

    Raises:
        CheckpointError: projectors that shared their weights and no longer do.
    """
    states = [head.projector.state_dict() for head in model.decoder_heads()]
    earlier: dict[str, Any] = model.config.to_dict().get("released") or {}
    shared = (earlier.get("bridge_module") or earlier.get("bridge_args") or {}).get("bridge_type") == "mlp"
    if len(states) == 1 or shared:
        if any(not torch.equal(state[name], states[0][name]) for state in states for name in state):
            raise CheckpointError(
                "the decoders shared one projector when this ARC-Encoder was imported, but were trained apart since; "
                "the released layout cannot hold that under its old settings"
            )
        return {name: value.contiguous() for name, value in states[0].items()}
    return {f"{i}.{name}": value.contiguous() for i, state in enumerate(states) for name, value in state.items()}
