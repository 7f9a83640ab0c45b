"""Callbacks, one a file."""

from arc_encoder.training.callbacks.add_to_folder import AddToFolder
from arc_encoder.training.callbacks.best_compressor import ExportBest
from arc_encoder.training.callbacks.compression_ratio import CompressionRatio
from arc_encoder.training.callbacks.context_window_extension import ContextWindowExtension
from arc_encoder.training.callbacks.decoder_guard import DecoderGuard
from arc_encoder.training.callbacks.export import ExportCompressor
from arc_encoder.training.callbacks.free_reconstruction import FreeReconstruction
from arc_encoder.training.callbacks.gradient_norms import GradientNorms
from arc_encoder.training.callbacks.mixed_precision import MixedPrecision
from arc_encoder.training.callbacks.non_finite import NonFinite
from arc_encoder.training.callbacks.progress import Progress
from arc_encoder.training.callbacks.random_state import RandomState
from arc_encoder.training.callbacks.step_checkpoint import AgreedCheckpoint, StepCheckpoint
from arc_encoder.training.callbacks.stop_on_signal import StopOnSignal
from arc_encoder.training.callbacks.take_off import TakeOff
from arc_encoder.training.callbacks.text_samples import TextSamples
from arc_encoder.training.callbacks.throughput import Throughput
from arc_encoder.training.callbacks.vector_words import VectorWords
from arc_encoder.training.callbacks.weight_average import WeightAverage

__all__ = [
    "AddToFolder",
    "AgreedCheckpoint",
    "CompressionRatio",
    "ContextWindowExtension",
    "DecoderGuard",
    "ExportBest",
    "ExportCompressor",
    "FreeReconstruction",
    "GradientNorms",
    "MixedPrecision",
    "NonFinite",
    "Progress",
    "RandomState",
    "StepCheckpoint",
    "StopOnSignal",
    "TakeOff",
    "TextSamples",
    "Throughput",
    "VectorWords",
    "WeightAverage",
]
