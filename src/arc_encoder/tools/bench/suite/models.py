"""Random models of a given shape, since time and memory do not depend on what weights say; and what matrix products allow them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoModel, AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.segments import TaskToken
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.assembly.build import head_settings
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.decoder.frozen_decoder import FrozenDecoder
from arc_encoder.model.encoder.pooling import MeanPooling
from arc_encoder.model.heads.projectors import MLPProjector
from arc_encoder.model.language_models.grouped_attention import use_grouped_attention
from arc_encoder.tools.bench.suite.figure import in_turns

DECODER = "decoder"


@dataclass(frozen=True)
class Shape:
    """A model of Llama's family.

    Attributes:
        width, layers, heads, vocabulary: of encoder and decoder.
        key_heads: of keys and values; None for as many as `heads`.
    """

    width: int = 256
    layers: int = 8
    heads: int = 4
    vocabulary: int = 4096
    key_heads: int | None = None

    def config(self) -> LlamaConfig:
        """The configuration of a language model of this shape."""
        return LlamaConfig(
            hidden_size=self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.key_heads or self.heads,
            intermediate_size=4 * self.width,
            vocab_size=self.vocabulary,
            max_position_embeddings=65536,
        )


def random_body(shape: Shape) -> Any:
    """A language model's body."""
    body = AutoModel.from_config(shape.config())
    use_grouped_attention(body)
    return body


def random_compressor(shape: Shape, factor: int) -> ArcEncoderModel:
    """An ARC-Encoder in front of a decoder of the same shape."""
    projector = MLPProjector(shape.width, shape.width, shape.width)
    heads = {DECODER: head_settings(projector, task_tokens=True)}
    return ArcEncoderModel.build(random_body(shape), MeanPooling(factor), heads)


def random_arc_model(shape: Shape, factor: int, dtype: torch.dtype) -> ArcForCausalLM:
    """An ARC-Encoder in float32 and a frozen decoder in `dtype`."""
    model = AutoModelForCausalLM.from_config(shape.config(), dtype=dtype)
    use_grouped_attention(model)
    return ArcForCausalLM(random_compressor(shape, factor), {DECODER: FrozenDecoder(model, idle_tokenizer())})


def idle_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer that no text goes through."""
    words = Tokenizer(WordLevel({"<s>": 0, "</s>": 1, "x": 2}, unk_token="x"))
    return PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", eos_token="</s>", pad_token="</s>")


def random_batch(shape: Shape, *, samples: int = 1, context: int, text: int) -> ArcBatch:
    """BOS, `context` compressed tokens (0 for none) and what follows of `text` tokens, at random."""
    ids = torch.randint(2, shape.vocabulary, (samples, text))
    rows = torch.arange(samples if context else 0)
    targets = torch.ones_like(ids, dtype=torch.bool)
    targets[:, 0] = False
    return ArcBatch(
        task="continuation",
        decoder=DECODER,
        task_token=TaskToken.CONTINUE,
        sample_ids=tuple(map(str, range(samples))),
        context_ids=torch.randint(2, shape.vocabulary, (len(rows), context)),
        context_lengths=torch.full_like(rows, context),
        context_rows=rows,
        context_positions=torch.ones_like(rows),
        text_ids=ids,
        text_lengths=torch.full((samples,), text),
        target_mask=targets,
    )


def product_speed(shape: Shape, rows: int, dtype: torch.dtype, rounds: int = 5) -> float:
    """Operations a second of the products of one layer: `rows` tokens by width by 4 × width, and back."""
    wide = 4 * shape.width
    left, up, down = (
        torch.randn(*size, dtype=dtype) for size in ((rows, shape.width), (shape.width, wide), (wide, shape.width))
    )
    seconds = in_turns({"both": lambda: left @ up @ down}, rounds)["both"]
    return 4.0 * rows * shape.width * wide / seconds


def forward_operations(model: torch.nn.Module, tokens: int) -> float:
    """Operations of a forward pass outside attention scores: two for each weight of a matrix and token."""
    weights = sum(each.weight.numel() for each in model.modules() if isinstance(each, torch.nn.Linear))
    return 2.0 * weights * tokens
