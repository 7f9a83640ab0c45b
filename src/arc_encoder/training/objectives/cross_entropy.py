"""The method's objective: cross-entropy of the targets (Pilchen et al., 2025, §3.3)."""

from __future__ import annotations

from arc_encoder.core.batch import ArcBatch
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.training.objectives.base import Objective, ObjectiveOutput


class CrossEntropy(Objective):
    """Cross-entropy of the targets, in nats."""

    def __call__(self, model: ArcForCausalLM, batch: ArcBatch) -> ObjectiveOutput:
        output = model(batch)
        return ObjectiveOutput(output.loss_sum, output)
