"""Floating-point operations of one batch, forward and backward.

A matrix of N numbers costs 2·N for every row that passes it forward. Backward it costs as much
for the gradient of its input, and as much again for its own gradient. The decoder's weights
have none, so its matrices cost 4·N and the encoder's 6·N. Scores and weighted sums of attention
have two inputs each that both get gradients: backward costs twice what forward does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn

from arc_encoder.evaluation.session.vector_cache import VectorCache
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.heads.head import DecoderHead
from arc_encoder.model.language_models.activation_checkpointing import layers_of
from arc_encoder.tools.planning.costs.activations import first_trained
from arc_encoder.tools.planning.costs.blocks import Block
from arc_encoder.tools.planning.costs.workload import Workload, chunks, context_vectors, merged_positions, stage_lengths
from arc_encoder.tools.planning.parts import Parts, count

_BLOCKS: WeakKeyDictionary[nn.Module, Block] = WeakKeyDictionary()


@dataclass(frozen=True)
class Work:
    """Floating-point operations of one batch on one process.

    Attributes:
        encoder: of encoder and projector.
        decoder: of the decoder, logits included.
        again: what checkpointing computes a second time, all blocks.
    """

    encoder: int
    decoder: int
    again: int

    def total(self, *, checkpointing: bool) -> int:
        """All of it."""
        return self.encoder + self.decoder + (self.again if checkpointing else 0)


def work(parts: Parts, decoder: str, batch: Workload) -> Work:
    """Work of one batch in front of one decoder."""
    model = parts.decoders[decoder]
    matrices, attention = decoder_forward(model, merged_positions(parts, decoder, batch), sequences=batch.samples)
    head = logits_work(model) * batch.samples * batch.targets
    vectors = batch.samples * batch.contexts * (context_vectors(parts, batch) + 1)
    projector = projected(parts.compressor.head(decoder), vectors)
    frozen = first_trained(parts) is None
    encoder = encoder_forward(parts, batch)
    return Work(
        encoder=encoder * (1 if frozen else 3) + 3 * projector,
        decoder=2 * (matrices + head) + 3 * attention,
        again=matrices + attention + (0 if frozen else encoder),
    )


def blocks_of(model: Any) -> list[Block]:
    """The blocks of a language model."""
    return [block_of(model.config, layer) for layer in layers_of(model)]


def block_of(config: Any, layer: nn.Module) -> Block:
    """The sizes of a layer, which are looked up once: training asks for them at every step."""
    if layer not in _BLOCKS:
        _BLOCKS[layer] = Block.of(config, layer)
    return _BLOCKS[layer]


def decoder_forward(model: Any, positions: int, *, sequences: int = 1) -> tuple[int, int]:
    """Operations of a decoder's blocks on sequences of so many positions, forward: matrices, and attention."""
    blocks = blocks_of(model)
    attention = sum(block.attention_work(sequences, positions, causal=True) for block in blocks)
    return sum(2 * block.matrices * sequences * positions for block in blocks), attention


def logits_work(model: Any) -> int:
    """Operations of the logits of one position."""
    text: Any = model.config.get_text_config()
    return 2 * int(text.vocab_size) * int(text.hidden_size)


def projected(head: DecoderHead, vectors: int) -> int:
    """Operations of a projector on so many vectors, forward."""
    return 2 * count(head.projector.parameters()) * vectors


def encoder_forward(parts: Parts, batch: Workload) -> int:
    """Operations of the encoder on a batch's contexts, forward."""
    encoder = parts.compressor.encoder
    sequences, length = chunks(parts, batch)
    plan, layers = stage_lengths(parts, length, batch.factor), encoder.backbone.layers
    total = 0
    for number, layer in enumerate(layers):
        block, stage = block_of(encoder.backbone.config, layer), number - (len(layers) - len(plan) + 1)
        rows, queries = (plan[0], plan[0]) if stage < 0 else (plan[stage], plan[stage + 1])
        keys = 2 * block.width * block.key_heads * block.head_width  # keys and values are made of every row
        total += 2 * sequences * (keys * rows + (block.matrices - keys) * queries)
        total += block.attention_work(sequences, rows, causal=encoder.causal, queries=queries)
    return total


def prefill_work(
    model: ArcForCausalLM, decoder: str, *, contexts: float, context_tokens: float, positions: float, factor: int | None
) -> tuple[float, float]:
    """Operations for one prompt, on average.

    Args:
        factor: pooling factor, None for the trained one.

    Returns:
        of encoder and projector; of the decoder.
    """
    language_model = model.decoder(decoder).model
    rows = max(1, round(positions))
    passed = sum(decoder_forward(language_model, rows)) + logits_work(language_model)
    compressor: Any = model.compressor if model.has_compressor else None
    if isinstance(compressor, VectorCache):
        compressor = compressor.compressor
    adapter = None if compressor is None else compressor.head(decoder).adapter
    if adapter is not None:  # of baselines that change the decoder
        passed += 2 * count(adapter.parameters()) * rows
    if contexts == 0 or not isinstance(compressor, ArcEncoderModel):
        return 0.0, float(passed)
    parts = Parts(compressor, {decoder: language_model})
    shape = Workload(1, 1, max(1, round(context_tokens)), 0, 0, factor=factor)
    vectors = compressor.compressed_length(shape.context_tokens, factor) + compressor.head(decoder).extra_vectors()
    encoded = encoder_forward(parts, shape) + projected(compressor.head(decoder), vectors)
    return contexts * encoded, float(passed)
