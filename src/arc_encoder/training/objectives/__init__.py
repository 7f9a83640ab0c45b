"""What a training minimises, one objective a file."""

from arc_encoder.training.objectives.base import Objective, ObjectiveOutput
from arc_encoder.training.objectives.cross_entropy import CrossEntropy
from arc_encoder.training.objectives.distillation import Distillation

__all__ = ["CrossEntropy", "Distillation", "Objective", "ObjectiveOutput"]
