"""Distillation from the same frozen decoder that reads the text itself.

Shape legend: N targets, V vocabulary, E decoder width.

The decoder reads the batch's reference (contexts as text) once, without gradient, and what it says at the targets
is what it should say of the vectors: its distribution (as in CompLLM, arXiv 2509.19228), its hidden states
(Cartridges, arXiv 2506.06266, and PISCO distil answers and logits), beside the cross-entropy of the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.errors import ConfigError, DataError, at_least
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.training.objectives.base import Objective, ObjectiveOutput


class Distillation(Objective):
    """A weighted sum of cross-entropy, divergence from the reference, and distance of hidden states.

    Args:
        cross_entropy: weight of the targets' cross-entropy.
        divergence: weight of the Kullback-Leibler divergence from the reference's distribution, in nats.
        hidden: weight of the squared distance of hidden states at the targets, over all layers, as a share of the
            reference's squared length.
        temperature: by which logits are divided before both distributions are compared; the divergence is
            multiplied by its square.

    Raises:
        ConfigError: a negative weight, no positive one, or a temperature that is not positive.
    """

    needs_reference: ClassVar[bool] = True

    def __init__(
        self, cross_entropy: float = 1.0, divergence: float = 1.0, hidden: float = 0.0, temperature: float = 1.0
    ) -> None:
        weights = {"cross_entropy": cross_entropy, "divergence": divergence, "hidden": hidden}
        at_least(0, "objective", **weights)
        if divergence == hidden == 0:
            raise ConfigError(
                "objective: with divergence=0 and hidden=0 nothing is distilled; choose objective=cross_entropy"
            )
        if temperature <= 0:
            raise ConfigError(f"objective: temperature={temperature} must be above 0")
        self.cross_entropy, self.divergence, self.hidden = cross_entropy, divergence, hidden
        self.temperature = temperature

    def __call__(self, model: ArcForCausalLM, batch: ArcBatch) -> ObjectiveOutput:
        if batch.reference is None:
            raise DataError(
                f"task {batch.task!r} gives no text for the decoder to read in place of its contexts, so nothing can be distilled; "
                "choose objective=cross_entropy"
            )
        with_hidden = self.hidden > 0
        with torch.no_grad():
            reference = model.predict(batch.reference, with_hidden=with_hidden, decoder_as_it_came=True)
        predicted = model.predict(batch, with_hidden=with_hidden)
        output = model.score(batch, predicted)
        terms: dict[str, Tensor] = {}
        minimised = self.cross_entropy * output.loss_sum
        if self.divergence > 0:
            divergence = divergence_sum(predicted.logits, reference.logits, self.temperature)
            minimised = minimised + self.divergence * divergence.to(minimised.device)
            terms["divergence"] = divergence.detach()
        if self.hidden > 0:
            distance = distance_sum(predicted.hidden, reference.hidden)
            minimised = minimised + self.hidden * distance.to(minimised.device)
            terms["hidden"] = distance.detach()
        return ObjectiveOutput(minimised, output, terms)


def divergence_sum(logits: Tensor, reference: Tensor, temperature: float) -> Tensor:
    """KL(reference ‖ model) of logits (N, V), summed over the N targets, in nats."""
    kind = torch.promote_types(logits.dtype, torch.float32)
    mine = (logits.to(kind) / temperature).log_softmax(-1)
    theirs = (reference.to(kind) / temperature).log_softmax(-1)
    divergence = nn.functional.kl_div(mine, theirs, reduction="sum", log_target=True)
    return divergence * temperature**2


def distance_sum(states: Sequence[Tensor], reference: Sequence[Tensor]) -> Tensor:
    """Squared distance of states (N, E) as a share of the reference's squared length: mean over layers, sum over targets."""
    shares = [
        (mine.float() - theirs.float()).square().sum(-1) / theirs.float().square().sum(-1).clamp(min=1e-12)
        for mine, theirs in zip(states, reference, strict=True)
    ]
    return torch.stack(shares).mean(0).sum()
