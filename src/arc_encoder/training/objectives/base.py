"""What an objective is: a batch → a sum over its targets, to be minimised.

Sums rather than means: the targets of all processes are counted before anything is divided.

To add one: subclass `Objective`, implement `forward`, and name the class in a YAML file of `configs/objective`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from arc_encoder.core.batch import ArcBatch
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.decoder.output import ArcOutput


@dataclass(frozen=True)
class ObjectiveOutput:
    """What an objective makes of a batch.

    Attributes:
        minimised: sum over targets, of which the gradient is taken.
        output: the cross-entropy and counts, which every objective has.
        terms: further sums over targets, for the logs; without gradient.
    """

    minimised: Tensor
    output: ArcOutput
    terms: Mapping[str, Tensor] = field(default_factory=dict)


class Objective(ABC):
    """Base class.

    Attributes:
        needs_reference: whether batches must carry what the decoder would read without compression.
    """

    needs_reference: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, model: ArcForCausalLM, batch: ArcBatch) -> ObjectiveOutput:
        """Compute the objective of `batch`."""
