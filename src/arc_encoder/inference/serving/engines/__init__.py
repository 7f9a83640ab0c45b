"""Where answers come from."""

from arc_encoder.inference.serving.engines.base import Engine
from arc_encoder.inference.serving.engines.embedded.engine import TransformersEngine
from arc_encoder.inference.serving.engines.remote.engine import VllmEngine

__all__ = ["Engine", "TransformersEngine", "VllmEngine"]
