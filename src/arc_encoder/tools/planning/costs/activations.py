"""What one batch adds to the memory of a process, in bytes.

Gradients of activations pass through the frozen decoder, so it keeps activations too, but
not the inputs of its matrices. Computed in less than float32, the encoder keeps its weights
in the compute dtype as well, until they have gone backward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arc_encoder.model.decoder.output_layer.cross_entropy import BLOCK
from arc_encoder.model.language_models.activation_checkpointing import layers_of
from arc_encoder.tools.planning.costs.blocks import FLOAT, Block
from arc_encoder.tools.planning.costs.workload import Workload, chunks, context_vectors, merged_positions, stage_lengths
from arc_encoder.tools.planning.parts import Parts, count


@dataclass(frozen=True)
class Activations:
    """What one batch adds, in bytes on one process.

    Attributes:
        encoder: kept by the encoder and the projector.
        decoder: kept by the decoder.
        casts: weights in the compute dtype.
        logits: of the targets, with their gradients.
        block: of some of these logits, in float32 while their cross-entropy is computed.
        gradients: of activations, the most that is alive at once in a block of the decoder; with
            checkpointing what this block computes again is part of it.
        encoder_gradients: the same in a block of the encoder, when nothing is left of the decoder.
        checkpointing: the casts end with the forward pass, and each block makes its own again.
    """

    encoder: int
    decoder: int
    casts: int
    logits: int
    block: int
    gradients: int
    encoder_gradients: int
    checkpointing: bool = False

    @property
    def peak(self) -> int:
        """Most of it at one time: when the logits are made or go backward, or a block after them."""
        made = self.casts + self.logits // 2 + self.block
        backward = max(self.logits + self.block, self.gradients)
        if self.checkpointing:
            return self.encoder + max(self.decoder + max(made, backward), self.encoder_gradients)
        return self.encoder + self.casts + max(self.decoder + backward, self.encoder_gradients)


def activations(
    parts: Parts, decoder: str, batch: Workload, *, compute: int, checkpointing: bool = False
) -> Activations:
    """Memory of one batch in front of one decoder.

    Args:
        compute: bytes of a number of the compute dtype.
        checkpointing: blocks of encoder and decoder keep their input only, and are computed
            again in the backward pass.
    """
    model = parts.decoders[decoder]
    text: Any = model.config.get_text_config()
    encoder, again = _encoder(parts, batch, compute, checkpointing)
    frozen, passing = _decoder(model, batch, merged_positions(parts, decoder, batch), compute, checkpointing)
    vectors = batch.samples * batch.contexts * (context_vectors(parts, batch) + 1)
    projector = parts.compressor.head(decoder).projector
    encoder += vectors * compute * (projector.in_dim + int(getattr(projector, "bottleneck", 0)))
    logits = batch.samples * batch.targets * int(text.vocab_size)
    return Activations(
        encoder=encoder,
        decoder=frozen,
        casts=_casts(parts, decoder, compute),
        logits=2 * compute * logits,
        block=FLOAT * min(logits, BLOCK) * (2 if compute < FLOAT else 1),  # before and after the subtraction
        gradients=passing,
        encoder_gradients=again,
        checkpointing=checkpointing,
    )


def _encoder(parts: Parts, batch: Workload, compute: int, checkpointing: bool) -> tuple[int, int]:
    """Bytes that the encoder's blocks keep, and the most that one of them needs while it goes backward."""
    encoder = parts.compressor.encoder
    sequences, length = chunks(parts, batch)
    plan = stage_lengths(parts, length)
    layers, first = encoder.backbone.layers, first_trained(parts)
    kept = largest = 0
    for number in range(len(layers) if first is None else first, len(layers)):
        block = Block.of(encoder.backbone.config, layers[number])
        stage = number - (len(layers) - len(plan) + 1)  # below 0: a block that does not pool
        rows, queries = (plan[0], None) if stage < 0 else (plan[stage], plan[stage + 1])
        full = block.saved(sequences, rows, trained=True, compute=compute, padded=batch.padded, queries=queries)
        again = full + (compute * block.matrices if compute < FLOAT else 0)
        kept += sequences * rows * block.width * FLOAT if checkpointing else full
        largest = max(
            largest, block.passing(sequences, rows, compute=compute, stream=FLOAT) + (again if checkpointing else 0)
        )
    return kept, largest


def _decoder(model: Any, batch: Workload, positions: int, compute: int, checkpointing: bool) -> tuple[int, int]:
    """The same for a frozen decoder's blocks, its last norm included."""
    text: Any = model.config.get_text_config()
    kept = largest = 0
    for layer in layers_of(model):
        block = Block.of(model.config, layer)
        stream = next(layer.parameters()).element_size()  # dtype of the residual stream
        full = block.saved(batch.samples, positions, trained=False, compute=compute, padded=batch.padded)
        backward = block.passing(batch.samples, positions, compute=compute, stream=stream)
        kept += batch.samples * positions * block.width * stream if checkpointing else full
        largest = max(largest, backward + (full if checkpointing else 0))
    return kept + batch.samples * positions * int(text.hidden_size) * FLOAT, largest


def _casts(parts: Parts, decoder: str, compute: int) -> int:
    """Copies in the compute dtype of the matrices that a batch passes."""
    if compute >= FLOAT:
        return 0
    blocks = [p for p in parts.compressor.encoder.backbone.layers.parameters() if p.ndim == 2]
    projector = [p for p in parts.compressor.head(decoder).projector.parameters() if p.ndim == 2]
    larger = [p for p in layers_of(parts.decoders[decoder]).parameters() if p.ndim == 2 and p.element_size() > compute]
    return compute * count([*blocks, *projector, *larger])


def first_trained(parts: Parts) -> int | None:
    """The first layer of the encoder through which gradients pass, None if they stop at the projector."""
    backbone = parts.compressor.encoder.backbone
    if backbone.get_input_embeddings().weight.requires_grad:
        return 0
    layers = enumerate(backbone.layers)
    return next((number for number, layer in layers if any(p.requires_grad for p in layer.parameters())), None)
