"""Projectors, one a file. Importing this package makes all of them known."""

from arc_encoder.model.heads.projectors.base import Projector
from arc_encoder.model.heads.projectors.gelu import GeluProjector
from arc_encoder.model.heads.projectors.linear import LinearProjector
from arc_encoder.model.heads.projectors.mlp import MLPProjector
from arc_encoder.model.heads.projectors.rms import RMSProjector

__all__ = ["GeluProjector", "LinearProjector", "MLPProjector", "Projector", "RMSProjector"]
