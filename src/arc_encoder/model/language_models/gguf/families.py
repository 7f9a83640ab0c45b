"""Families of language models that GGUF files are converted from.

A family says how a configuration is read off the fields, and what llama.cpp did to the weights, so that it can be undone.
To add one, write both and name them in `FAMILIES` under the file's `general.architecture`.

Shape legend: H heads, D width of a head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers import (
    Gemma2Config,
    Gemma3TextConfig,
    LlamaConfig,
    Phi3Config,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.language_models.gguf.reader import GgufFile
from arc_encoder.model.language_models.gguf.rotary import rotary

LOCAL_THETA = 10000.0  # rotary base of Gemma 3's sliding layers, where the file does not say
# Layers of the 27B models, the only ones of Gemma whose queries are scaled by hidden size / heads.
GEMMA_2_27B, GEMMA_3_27B = 46, 62


def unchanged(name: str, values: Tensor, config: PretrainedConfig) -> Tensor:
    """The weight as it is."""
    return values


def halves(name: str, values: Tensor, config: PretrainedConfig) -> Tensor:
    """Queries and keys (H·D, …) from llama.cpp's order of rotary pairs to that of halves."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])
    if heads is None:
        return values
    return values.unflatten(0, (int(heads), -1, 2)).transpose(1, 2).reshape(values.shape)


def centred_norms(name: str, values: Tensor, config: PretrainedConfig) -> Tensor:
    """Gemma's norms multiply by 1 + weight; the file holds the sum."""
    return values - 1 if name.endswith("norm.weight") else values


@dataclass(frozen=True)
class Family:
    """How a family is converted.

    Args:
        undo: a weight as the model wants it, from (its name there, what the file holds, the configuration).
    """

    models: str
    config: Callable[[GgufFile], PretrainedConfig]
    undo: Callable[[str, Tensor, PretrainedConfig], Tensor] = unchanged


def family_of(file: GgufFile) -> Family:
    """The family of a file.

    Raises:
        CheckpointError: it is not known here.
    """
    if file.architecture not in FAMILIES:
        known = ", ".join(f"{name} ({family.models})" for name, family in FAMILIES.items())
        raise CheckpointError(
            f"{file.path} holds a model of the family {file.architecture!r}, which cannot be converted; supported: {known}. "
            "Use the model's folder or hub name instead"
        )
    return FAMILIES[file.architecture]


def _sizes(file: GgufFile) -> dict[str, Any]:
    heads = file.size("attention.head_count")
    return {
        "vocab_size": file.shape("token_embd.weight")[0],
        "hidden_size": file.size("embedding_length"),
        "intermediate_size": file.size("feed_forward_length"),
        "num_hidden_layers": file.size("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": file.size("attention.head_count_kv", heads),
        "max_position_embeddings": file.size("context_length"),
        "rms_norm_eps": file.size("attention.layer_norm_rms_epsilon"),
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "bos_token_id": file.field("tokenizer.ggml.bos_token_id"),
        "eos_token_id": file.field("tokenizer.ggml.eos_token_id"),
        "pad_token_id": file.field("tokenizer.ggml.padding_token_id"),
    }


def _head_dim(file: GgufFile) -> int:
    usual = file.size("embedding_length") // file.size("attention.head_count")
    return int(file.size("attention.key_length", usual))


def _whole_head(file: GgufFile) -> None:
    turned, width = file.size("rope.dimension_count", _head_dim(file)), _head_dim(file)
    if turned != width:
        raise CheckpointError(
            f"{file.path} rotates {turned} of {width} numbers of a head; models of the family {file.architecture} that "
            "rotate a part cannot be converted"
        )


def _llama(file: GgufFile) -> PretrainedConfig:
    _whole_head(file)
    return LlamaConfig(
        **_sizes(file),
        head_dim=_head_dim(file),
        rope_parameters=rotary(file),
        attention_bias="blk.0.attn_q.bias" in file.tensors,
        mlp_bias="blk.0.ffn_up.bias" in file.tensors,
    )


def _qwen2(file: GgufFile) -> PretrainedConfig:
    return Qwen2Config(**_sizes(file), rope_parameters=rotary(file))


def _qwen3(file: GgufFile) -> PretrainedConfig:
    return Qwen3Config(**_sizes(file), head_dim=_head_dim(file), rope_parameters=rotary(file))


def _gemma(file: GgufFile, largest: int) -> dict[str, Any]:
    sizes, width = _sizes(file), _head_dim(file)
    whole = sizes["hidden_size"] // sizes["num_attention_heads"]
    scalar = whole if sizes["num_hidden_layers"] == largest else width
    return {**sizes, "head_dim": width, "query_pre_attn_scalar": scalar}


def _gemma2(file: GgufFile) -> PretrainedConfig:
    return Gemma2Config(
        **_gemma(file, GEMMA_2_27B),
        rope_parameters=rotary(file),
        sliding_window=file.size("attention.sliding_window"),
        attn_logit_softcapping=file.size("attn_logit_softcapping"),
        final_logit_softcapping=file.size("final_logit_softcapping"),
    )


def _gemma3(file: GgufFile) -> PretrainedConfig:
    window = file.size("attention.sliding_window", 0)
    each = file.size("attention.sliding_window_pattern", 6)  # one full layer behind so many less one sliding ones
    layers = range(1, file.size("block_count") + 1)
    theta = float(file.size("rope.freq_base_swa", LOCAL_THETA))
    return Gemma3TextConfig(
        **_gemma(file, GEMMA_3_27B),
        rope_parameters={
            "full_attention": rotary(file),
            "sliding_attention": {"rope_type": "default", "rope_theta": theta},
        },
        sliding_window=window or None,
        layer_types=["sliding_attention" if window and layer % each else "full_attention" for layer in layers],
        final_logit_softcapping=file.size("final_logit_softcapping", 0) or None,
    )


def _phi3(file: GgufFile) -> PretrainedConfig:
    sizes = _sizes(file)
    width = sizes["hidden_size"] // sizes["num_attention_heads"]
    share = file.size("rope.dimension_count", width) / width
    return Phi3Config(
        **sizes,
        rope_parameters=rotary(file) | {"partial_rotary_factor": share},
        original_max_position_embeddings=file.size(
            "rope.scaling.original_context_length", sizes["max_position_embeddings"]
        ),
        sliding_window=file.size("attention.sliding_window", 0) or None,
    )


FAMILIES = {
    "llama": Family("Llama, Mistral, SmolLM2", _llama, halves),
    "qwen2": Family("Qwen2, Qwen2.5", _qwen2),
    "qwen3": Family("Qwen3", _qwen3),
    "gemma2": Family("Gemma 2", _gemma2, centred_norms),
    "gemma3": Family("Gemma 3, text", _gemma3, centred_norms),
    "phi3": Family("Phi-3, Phi-4 mini", _phi3),
}
