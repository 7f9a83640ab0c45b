"""Tiny GGUF files, written by the rules of llama.cpp's converter, of models that are made in the test.

Names and layouts are spelt out here on purpose: what reads them is compared with these, not with itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from tokenizers import decoders as tokenizer_decoders
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    LlamaConfig,
    Phi3Config,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from arc_encoder.model.language_models.gguf.rotary import llama_3_divisors
from tests.tiny_models import VOCABULARY, randomize, sized

TEXT = ["the capital of the country is the town on the river", "in 1987 they'll count 12 ships, 345 boats\n\nand more"]
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
PLAIN_NORMS = {"post_attention_layernorm": "ffn_norm"}
GEMMA_NORMS = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
LLAMA_3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
LONG = {"rope_type": "longrope", "original_max_position_embeddings": 128, "partial_rotary_factor": 0.5}
FACTORS = {"long_factor": [1.5, 3.0], "short_factor": [1.0, 1.25]}
ENDS = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}

# Name of the test → (name in the file, configuration, further fields, further tensors).
FAMILIES: dict[str, tuple[str, Callable[[], PretrainedConfig], Mapping[str, Any], Mapping[str, Any]]] = {
    "llama": ("llama", lambda: LlamaConfig(**sized(2, 64, **ENDS)), {"rope.dimension_count": 16}, {}),
    "llama_tied": ("llama", lambda: LlamaConfig(**sized(2, 64, **ENDS, **{"tie_word_embeddings": True})), {}, {}),
    "llama_wide_heads": (
        "llama",
        lambda: LlamaConfig(**sized(2, 32, **ENDS, head_dim=16), attention_bias=True),
        {"attention.key_length": 16},
        {},
    ),
    "llama_3": (
        "llama",
        lambda: LlamaConfig(**sized(2, 64, **ENDS), rope_parameters=dict(LLAMA_3)),
        {"rope.freq_base": 500000.0},
        {"rope_freqs.weight": llama_3_divisors(500000.0, 16, 8.0).numpy()},
    ),
    "llama_linear": (
        "llama",
        lambda: LlamaConfig(**sized(2, 64, **ENDS), rope_parameters={"rope_type": "linear", "factor": 4.0}),
        {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0},
        {},
    ),
    "qwen2": ("qwen2", lambda: Qwen2Config(**sized(2, 64, **ENDS)), {"rope.freq_base": 10000.0}, {}),
    "qwen3": ("qwen3", lambda: Qwen3Config(**sized(2, 32, **ENDS, head_dim=16)), {"attention.key_length": 16}, {}),
    "gemma2": (
        "gemma2",
        lambda: Gemma2Config(
            **sized(2, 32, **{**ENDS, "head_dim": 16, "tie_word_embeddings": True}),
            query_pre_attn_scalar=16,
            sliding_window=5,
            attn_logit_softcapping=2.0,
            final_logit_softcapping=3.0,
        ),
        {
            "attention.key_length": 16,
            "attention.sliding_window": 5,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 3.0,
        },
        {},
    ),
    "gemma3": (
        "gemma3",
        lambda: Gemma3TextConfig(
            **sized(7, 32, **{**ENDS, "head_dim": 16, "tie_word_embeddings": True}),
            query_pre_attn_scalar=16,
            sliding_window=5,
            rope_parameters={
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            },
        ),
        {
            "attention.key_length": 16,
            "attention.sliding_window": 5,
            "rope.freq_base": 1000000.0,
            "rope.scaling.type": "linear",
            "rope.scaling.factor": 8.0,
        },
        {},
    ),
    "phi3": ("phi3", lambda: Phi3Config(**sized(2, 64, **ENDS), sliding_window=5), {"attention.sliding_window": 5}, {}),
    "phi3_long": (
        "phi3",
        lambda: Phi3Config(
            **sized(2, 32, **ENDS), original_max_position_embeddings=128, rope_parameters={**LONG, **FACTORS}
        ),
        {"rope.dimension_count": 4, "rope.scaling.original_context_length": 128, "attention.sliding_window": 0},
        {
            "rope_factors_long.weight": np.array(FACTORS["long_factor"], np.float32),
            "rope_factors_short.weight": np.array(FACTORS["short_factor"], np.float32),
        },
    ),
}


def model_of(family: str, *, seed: int = 0) -> PreTrainedModel:
    """A random language model of a family."""
    model = AutoModelForCausalLM.from_config(FAMILIES[family][1]()).eval()
    randomize(model, seed)
    return model


def byte_tokenizer(cut: Any = None) -> PreTrainedTokenizerFast:
    """A trained byte-level BPE of as many tokens as the tiny models have, the first three of them special."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = cut or pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizer_decoders.ByteLevel()
    special = ["<|start|>", "<|end|>", "<|unk|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(TEXT * 3, trainer)
    assert made.get_vocab_size() == VOCABULARY
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token=special[0], eos_token=special[1], pad_token=special[1], unk_token=special[2]
    )


def write_gguf(
    path: Path,
    model: PreTrainedModel,
    family: str = "llama",
    *,
    tokenizer: PreTrainedTokenizerFast | None = None,
    cut: str = "gpt-2",
    chat_template: str | None = None,
    quantization: str = "F32",
    left_out: Collection[str] = (),
    architecture: str | None = None,
    more_tensors: Mapping[str, Any] | None = None,
    more_fields: Mapping[str, Any] | None = None,
) -> Path:
    """Write a model as a GGUF file.

    Args:
        path: the file.
        model: of `family`.
        family: a key of `FAMILIES`.
        tokenizer: byte-level BPE; the trained one by default.
        cut: what the file says about cutting text.
        chat_template: of the tokenizer.
        quantization: of the matrices: F32, F16, Q8_0, Q4_1.
        left_out: names in the file of tensors that are not written.
        architecture: what the file says that it is.
        more_tensors: further ones.
        more_fields: further fields of the architecture.
    """
    gguf = pytest.importorskip("gguf", reason="needs the extra gguf")
    named, _, fields, tensors = FAMILIES[family]
    config = model.config
    writer = gguf.GGUFWriter(path, architecture or named)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    adders = {int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
    for key, value in {**fields, **(more_fields or {})}.items():
        adders[type(value)](f"{architecture or named}.{key}", value)
    _add_tokenizer(writer, tokenizer or byte_tokenizer(), cut, chat_template)
    kind = gguf.GGMLQuantizationType[quantization]
    for name, values in model.state_dict().items():
        place = place_of(name, named)
        if place in left_out or (name == "lm_head.weight" and config.tie_word_embeddings):
            continue
        laid = lay_out(name, values, named, config).numpy()
        own = kind if laid.ndim > 1 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(place, gguf.quants.quantize(laid, own), raw_dtype=own)
    for place, values in {**tensors, **(more_tensors or {})}.items():
        writer.add_tensor(place, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def place_of(name: str, architecture: str) -> str:
    """llama.cpp's name of a weight."""
    stem, ending = name.rsplit(".", 1)
    names = {**NAMES, **(GEMMA_NORMS if architecture.startswith("gemma") else PLAIN_NORMS)}
    if stem in names:
        return f"{names[stem]}.{ending}"
    _, _, layer, part = stem.split(".", 3)
    return f"blk.{layer}.{names[part]}.{ending}"


def lay_out(name: str, values: Tensor, architecture: str, config: PretrainedConfig) -> Tensor:
    """A weight as llama.cpp keeps it."""
    if architecture.startswith("gemma") and name.endswith("norm.weight"):
        return values + 1
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])
    if architecture != "llama" or heads is None:
        return values
    half = values.shape[0] // heads // 2
    return values.reshape(heads, 2, half, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape).contiguous()


def logits_of(model: PreTrainedModel, *, length: int = 24) -> Tensor:
    """Logits (length, V) for fixed random ids."""
    ids = torch.randint(3, VOCABULARY, (1, length), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        return model(ids).logits[0].float()


def _add_tokenizer(writer: Any, tokenizer: PreTrainedTokenizerFast, cut: str, chat_template: str | None) -> None:
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    special = set(tokenizer.all_special_tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(cut)
    writer.add_token_list(vocabulary)
    writer.add_token_types([3 if token in special else 1 for token in vocabulary])
    writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_unk_token_id(tokenizer.unk_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(False)
    if chat_template is not None:
        writer.add_chat_template(chat_template)
