"""Random models of the paper's sizes, or tiny ones of the same kind, to measure time and memory with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    LlamaConfig,
    PretrainedConfig,
)

from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.assembly.build import head_settings
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.decoder.load import FrozenDecoder
from arc_encoder.model.encoder.chunking import Chunking
from arc_encoder.model.encoder.pooling import MeanPooling
from arc_encoder.model.heads.projectors import MLPProjector
from arc_encoder.tools.bench.suite.models import idle_tokenizer
from arc_encoder.tools.planning.parts import language_model_config

DECODER = "decoder"


@dataclass(frozen=True)
class Size:
    """What is measured.

    Attributes:
        name: of the size.
        encoder, decoder: architectures.
        truncate_layers: last layers of the encoder that are left out.
        bottleneck: width inside the projector.
        part: tokens of the compressed part, of the prefix, and of the continuation (Pilchen et al., 2025, §3.3).
        batch_sizes: of the training step, largest first; the first that fits is taken.
        documents: lengths of which the first token is timed, in tokens.
        chunk: tokens that are encoded at once where a document is longer.
    """

    name: str
    encoder: PretrainedConfig
    decoder: PretrainedConfig
    truncate_layers: int
    bottleneck: int
    part: int
    batch_sizes: tuple[int, ...]
    documents: tuple[int, ...]
    chunk: int


def paper() -> Size:
    """The paper's: Llama 3.2 3B without its last two layers in front of Llama 3.1 8B (Pilchen et al., 2025, §4.1)."""
    return Size(
        name="paper",
        encoder=language_model_config("meta-llama/Llama-3.2-3B"),
        decoder=language_model_config("meta-llama/Llama-3.1-8B"),
        truncate_layers=2,
        bottleneck=2048,
        part=256,
        batch_sizes=(16, 8, 4, 2, 1),
        documents=(4096, 16384, 32768),
        chunk=1024,
    )


def tiny() -> Size:
    """Small enough for a test on a CPU."""

    def config(width: int, layers: int) -> LlamaConfig:
        return LlamaConfig(
            vocab_size=128,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=2048,
        )

    return Size(
        name="tiny",
        encoder=config(32, 4),
        decoder=config(48, 3),
        truncate_layers=2,
        bottleneck=16,
        part=16,
        batch_sizes=(4, 2),
        documents=(64, 256),
        chunk=32,
    )


def random_decoder(size: Size, device: torch.device, dtype: torch.dtype) -> FrozenDecoder:
    """A frozen language model of the decoder's size."""
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(size.decoder, dtype=dtype)
    return FrozenDecoder(model.requires_grad_(False).eval(), idle_tokenizer(), bos=True)


def random_compressor(size: Size, device: torch.device, dtype: torch.dtype, *, factor: int) -> ArcEncoderModel:
    """An ARC-Encoder of the encoder's size, in front of the decoder's width."""
    config: Any = type(size.encoder).from_dict(size.encoder.to_dict())
    config.num_hidden_layers -= size.truncate_layers
    with torch.device(device):
        body = AutoModel.from_config(config, dtype=dtype)
        projector = MLPProjector(int(config.hidden_size), int(size.decoder.hidden_size), size.bottleneck)
        heads = {DECODER: head_settings(projector, task_tokens=True)}
        model = ArcEncoderModel.build(body, MeanPooling(factor), heads, chunking=Chunking(size.chunk))
    made: Any = model  # the library's `to` has no usable type
    built: ArcEncoderModel = made.to(device=device, dtype=dtype)
    return built


def random_model(size: Size, device: torch.device, *, factor: int, dtype: torch.dtype) -> ArcForCausalLM:
    """Both, the encoder in float32 to be trained and the decoder in `dtype`."""
    compressor = random_compressor(size, device, torch.float32, factor=factor)
    return ArcForCausalLM(compressor, {DECODER: random_decoder(size, device, dtype)})
