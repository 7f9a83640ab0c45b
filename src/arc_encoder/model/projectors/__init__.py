"""Projectors, one a file. Importing this package makes all of them known."""

from arc_encoder.model.projectors.base import Projector
from arc_encoder.model.projectors.gelu import GeluProjector
from arc_encoder.model.projectors.linear import LinearProjector
from arc_encoder.model.projectors.mlp import MLPProjector
from arc_encoder.model.projectors.rms import RMSProjector

__all__ = ["GeluProjector", "LinearProjector", "MLPProjector", "Projector", "RMSProjector"]
