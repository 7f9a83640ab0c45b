"""Callbacks, one a file."""

from arc_encoder.training.callbacks.add_to_folder import AddToFolder
from arc_encoder.training.callbacks.context_window_extension import ContextWindowExtension
from arc_encoder.training.callbacks.decoder_guard import DecoderGuard
from arc_encoder.training.callbacks.export import ExportCompressor
from arc_encoder.training.callbacks.mixed_precision import MixedPrecision
from arc_encoder.training.callbacks.random_state import RandomState
from arc_encoder.training.callbacks.text_samples import TextSamples
from arc_encoder.training.callbacks.throughput import Throughput

__all__ = [
    "AddToFolder",
    "ContextWindowExtension",
    "DecoderGuard",
    "ExportCompressor",
    "MixedPrecision",
    "RandomState",
    "TextSamples",
    "Throughput",
]
