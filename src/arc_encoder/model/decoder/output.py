"""What comes of a batch: what the decoder says at its targets, and how good that is.

Shape legend: B samples, T merged positions, N targets, V vocabulary, E decoder width.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from arc_encoder.model.splice import Layout, text_mask


@dataclass(frozen=True)
class ArcOutput:
    """What one batch gives.

    Attributes:
        loss_sum: sum of the cross-entropies of all targets, in nats.
        target_tokens: number of targets N.
        correct_tokens: targets that were the most likely token.
        vectors: compressed vectors fed to the decoder, task tokens included.
        positions: positions of the merged sequences that hold something.
        slots: all positions that the decoder computed, padding included.
        norm_ratio: mean length of the compressed vectors ÷ mean length of the text's embeddings; 0 without vectors.
    """

    loss_sum: Tensor
    target_tokens: Tensor
    correct_tokens: Tensor
    vectors: Tensor
    positions: Tensor
    slots: int
    norm_ratio: Tensor

    @property
    def loss(self) -> Tensor:
        """Mean cross-entropy of the batch's targets, in nats."""
        return self.loss_sum / self.target_tokens.clamp(min=1)


@dataclass(frozen=True)
class Prediction:
    """What a decoder says at the targets of a batch.

    Attributes:
        logits: (N, V), sample by sample.
        layout: the place of everything in the merged sequences.
        hidden: hidden states (N, E) after each of the decoder's layers, if they were asked for.
        norm_ratio: mean length of the compressed vectors ÷ mean length of the text's embeddings; 0 without vectors.
    """

    logits: Tensor
    layout: Layout
    hidden: tuple[Tensor, ...]
    norm_ratio: Tensor


def norm_ratio(embeddings: Tensor, layout: Layout) -> Tensor:
    """Mean length of the vectors among `embeddings` (B, T, E) ÷ mean length of the others."""
    lengths = embeddings.float().norm(dim=-1)
    text = text_mask(layout)
    vectors = layout.mask & ~text
    means = [(lengths * which).sum() / which.sum().clamp(min=1) for which in (vectors, text)]
    return means[0] / means[1].clamp(min=1e-12)
