"""Tiny random models and tokenizers, made on the spot: nothing is downloaded.

Weights are drawn wide enough that attention is far from uniform, norms have weights of
their own and biases are not zero, so that a mistake in any of them shows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers import decoders as tokenizer_decoders
from torch import Tensor
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    FalconConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    Olmo3Config,
    OlmoConfig,
    Phi3Config,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

from arc_encoder.core.batch import ArcBatch, pad_rows
from arc_encoder.core.segments import TaskToken
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.decoder.load import FrozenDecoder
from arc_encoder.model.encoder.chunking import Chunking
from arc_encoder.model.encoder.pooling import MeanPooling, Pooling

VOCABULARY = 300  # 256 bytes and the special tokens fit
WIDTH = 32
WINDOW = 512


def sized(layers: int, width: int, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": WINDOW,
        "pad_token_id": None,
        "bos_token_id": None,
        "eos_token_id": None,
        "tie_word_embeddings": False,
        "use_cache": True,
        **more,
    }


def _types(layers: int) -> list[str]:
    """Sliding and full attention in turns; the last layer slides, so that a pooled one does too."""
    return ["sliding_attention" if (layers - i) % 2 else "full_attention" for i in range(layers)]


def _llama3(layers: int, width: int) -> PretrainedConfig:
    rope = {
        "rope_type": "llama3",
        "rope_theta": 10000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    }
    return LlamaConfig(**sized(layers, width), rope_parameters=rope)


# Windows of 5 tokens: any context of the tests is longer, so a window left on would show.
ENCODER_FAMILIES: dict[str, Callable[[int, int], PretrainedConfig]] = {
    "llama": lambda n, w: LlamaConfig(**sized(n, w)),
    "llama3_rope": _llama3,
    "mistral_window": lambda n, w: MistralConfig(**sized(n, w), sliding_window=5),
    "qwen2": lambda n, w: Qwen2Config(**sized(n, w)),
    "qwen2_window": lambda n, w: Qwen2Config(
        **sized(n, w), use_sliding_window=True, sliding_window=5, max_window_layers=1
    ),
    "qwen3": lambda n, w: Qwen3Config(**sized(n, w, head_dim=16)),
    "olmo": lambda n, w: OlmoConfig(**sized(n, w), clip_qkv=0.8),
    "olmo2": lambda n, w: Olmo2Config(**sized(n, w)),
    "olmo3": lambda n, w: Olmo3Config(**sized(n, w), sliding_window=5, layer_types=_types(n)),
    "gemma": lambda n, w: GemmaConfig(**sized(n, w, head_dim=16)),
    "gemma2": lambda n, w: Gemma2Config(
        **sized(n, w, head_dim=16),
        query_pre_attn_scalar=24,
        attn_logit_softcapping=2.0,
        sliding_window=5,
        layer_types=_types(n),
    ),
    "gemma3": lambda n, w: Gemma3TextConfig(
        **sized(n, w, head_dim=16), query_pre_attn_scalar=24, sliding_window=5, layer_types=_types(n)
    ),
    # One layer in two has no rotary embedding (0 in the list); the last one is among them.
    "smollm3": lambda n, w: SmolLM3Config(
        **sized(n, w), no_rope_layers=[int((n - i) % 2 == 0) for i in range(n)], use_sliding_window=False
    ),
}

DECODER_FAMILIES: dict[str, Callable[[int, int], PretrainedConfig]] = {
    "llama": ENCODER_FAMILIES["llama"],
    "gpt2": lambda n, w: GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=w,
        n_layer=n,
        n_head=4,
        n_positions=WINDOW,
        bos_token_id=None,
        eos_token_id=None,
        tie_word_embeddings=False,
    ),
    "gpt_neox": lambda n, w: GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=w,
        intermediate_size=2 * w,
        num_hidden_layers=n,
        num_attention_heads=4,
        max_position_embeddings=WINDOW,
        bos_token_id=None,
        eos_token_id=None,
    ),
    "gemma3": ENCODER_FAMILIES["gemma3"],
    "phi3": lambda n, w: Phi3Config(**sized(n, w)),
    "falcon": lambda n, w: FalconConfig(
        vocab_size=VOCABULARY,
        hidden_size=w,
        num_hidden_layers=n,
        num_attention_heads=4,
        max_position_embeddings=WINDOW,
        bos_token_id=None,
        eos_token_id=None,
        tie_word_embeddings=False,
    ),
}


def randomize(model: torch.nn.Module, seed: int = 0) -> None:
    """Draw every parameter again: matrices of gain one, vectors spread around what they were."""
    generator = torch.Generator().manual_seed(seed)
    embedding = model.get_input_embeddings().weight if isinstance(model, PreTrainedModel) else None
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator).to(parameter.dtype)
            if parameter is embedding:
                parameter.copy_(noise)
            elif parameter.dim() > 1:
                parameter.copy_(noise * 1.5 / parameter.shape[-1] ** 0.5)
            else:
                parameter.add_(0.3 * noise)


def tiny_body(
    family: str = "llama", *, layers: int = 3, width: int = WIDTH, seed: int = 0, attention: str | None = None
) -> PreTrainedModel:
    """A random language model's body, to be made an encoder; `attention` is ``eager`` or ``sdpa``."""
    options = {} if attention is None else {"attn_implementation": attention}
    body = AutoModel.from_config(ENCODER_FAMILIES[family](layers, width), **options).eval()
    randomize(body, seed)
    return body


def tiny_language_model(
    family: str = "llama", *, layers: int = 2, width: int = WIDTH, seed: int = 0, attention: str | None = None
) -> PreTrainedModel:
    """A random causal language model."""
    options = {} if attention is None else {"attn_implementation": attention}
    config = {**ENCODER_FAMILIES, **DECODER_FAMILIES}[family](layers, width)
    model = AutoModelForCausalLM.from_config(config, **options).eval()
    randomize(model, seed)
    return model


def tiny_tokenizer(*, bos: bool = True, eos: bool = True, pad: bool = True, extra: int = 0) -> PreTrainedTokenizerFast:
    """One token a byte, then `<pad>`, `<s>` and `</s>`, then `extra` more tokens."""
    special = ["<pad>"] * pad + ["<s>"] * bos + ["</s>"] * eos
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*special, *alphabet, *(f"<extra{i}>" for i in range(extra))]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = tokenizer_decoders.ByteLevel()
    names = {"pad_token": "<pad>" * pad, "bos_token": "<s>" * bos, "eos_token": "</s>" * eos}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **{key: value for key, value in names.items() if value})


def tiny_decoder(family: str = "llama", **options: Any) -> FrozenDecoder:
    """A frozen random language model with the byte tokenizer."""
    return FrozenDecoder(tiny_language_model(family, **options), tiny_tokenizer())


def head_settings(
    out_dim: int, *, in_dim: int = WIDTH, projector: str = "MLPProjector", task_tokens: bool = True, **settings: Any
) -> dict[str, Any]:
    """Settings of one decoder's head, as the compressor's configuration holds them."""
    if projector != "LinearProjector":
        settings.setdefault("bottleneck", 24)
    return {
        "projector": {"name": projector, "settings": {"in_dim": in_dim, "out_dim": out_dim, **settings}},
        "task_tokens": task_tokens,
    }


def tiny_compressor(
    family: str = "llama",
    *,
    pooling: Pooling | None = None,
    widths: dict[str, int] | None = None,
    layers: int = 3,
    seed: int = 0,
    causal: bool = False,
    chunking: Chunking | None = None,
    task_tokens: bool = True,
    attention: str | None = None,
) -> ArcEncoderModel:
    """A random ARC-Encoder with a head for each decoder in `widths` (name → width), task tokens included."""
    heads = {
        name: head_settings(width, task_tokens=task_tokens) for name, width in (widths or {"decoder": WIDTH}).items()
    }
    body = tiny_body(family, layers=layers, seed=seed, attention=attention)
    compressor = ArcEncoderModel.build(
        body, pooling or MeanPooling(4), heads, causal=causal, chunking=chunking, length_buckets=1
    ).eval()
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for head in compressor.heads.values():
            for parameter in head.parameters():
                shape = parameter.shape
                parameter.copy_(torch.randn(shape, generator=generator) / (shape[-1] ** 0.5 if len(shape) > 1 else 1))
    return compressor


def tiny_arc_model(
    family: str = "llama", decoder_family: str = "llama", *, decoder_width: int = WIDTH, **options: Any
) -> ArcForCausalLM:
    """A random ARC-Encoder in front of one frozen decoder, called ``decoder``."""
    decoder = tiny_decoder(decoder_family, width=decoder_width, seed=7)
    return ArcForCausalLM(tiny_compressor(family, widths={"decoder": decoder_width}, **options), {"decoder": decoder})


def random_contexts(lengths: list[int], *, seed: int = 0, padding: int = 0) -> tuple[Tensor, Tensor]:
    """Random ids for contexts of `lengths`, with ids other than 0 in their padding, and the lengths."""
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randint(3, VOCABULARY, (length,), generator=generator) for length in lengths]
    ids = torch.full((len(lengths), max(lengths) + padding), 9)
    for row, tokens in zip(ids, rows, strict=True):
        row[: len(tokens)] = tokens
    return ids, torch.tensor(lengths)


def make_batch(samples: list[list[tuple[str, list[int]]]], *, decoder: str = "decoder") -> ArcBatch:
    """A batch from samples of (role, ids) segments; roles are ``context``, ``plain`` and ``target``."""
    contexts, rows, positions, texts, targets = [], [], [], [], []
    for number, segments in enumerate(samples):
        text: list[int] = []
        wanted: list[int] = []
        for role, ids in segments:
            if role == "context":
                contexts.append(ids)
                rows.append(number)
                positions.append(len(text))
            else:
                text += ids
                wanted += [int(role == "target")] * len(ids)
        texts.append(text)
        targets.append(wanted)
    context_ids, context_lengths = pad_rows(contexts)
    text_ids, text_lengths = pad_rows(texts)
    return ArcBatch(
        task="test",
        decoder=decoder,
        task_token=TaskToken.CONTINUE,
        sample_ids=tuple(str(number) for number in range(len(samples))),
        context_ids=context_ids,
        context_lengths=context_lengths,
        context_rows=torch.tensor(rows, dtype=torch.long),
        context_positions=torch.tensor(positions, dtype=torch.long),
        text_ids=text_ids,
        text_lengths=text_lengths,
        target_mask=pad_rows(targets)[0].bool(),
    )


@functools.cache
def numbers(count: int, seed: int = 0) -> tuple[int, ...]:
    """`count` random token ids that are not special."""
    generator = torch.Generator().manual_seed(1000 + seed)
    return tuple(torch.randint(3, VOCABULARY, (count,), generator=generator).tolist())
