"""Where answers come from."""

from arc_encoder.serving.engines.base import Engine
from arc_encoder.serving.engines.transformers_engine import TransformersEngine
from arc_encoder.serving.engines.vllm_engine import VllmEngine

__all__ = ["Engine", "TransformersEngine", "VllmEngine"]
