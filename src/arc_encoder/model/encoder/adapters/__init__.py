"""Adapters, one a file: small weights that are trained in the place of the backbone's own."""

from arc_encoder.model.encoder.adapters.base import Adapter, NoAdapter
from arc_encoder.model.encoder.adapters.lora import LoraAdapter

__all__ = ["Adapter", "LoraAdapter", "NoAdapter"]
