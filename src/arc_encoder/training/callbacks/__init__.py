"""Callbacks, one a file."""

from arc_encoder.training.callbacks.compile_layers import CompileLayers
from arc_encoder.training.callbacks.context_window_extension import ContextWindowExtension
from arc_encoder.training.callbacks.monitoring.compression_ratio import CompressionRatio
from arc_encoder.training.callbacks.monitoring.gradient_norms import GradientNorms
from arc_encoder.training.callbacks.monitoring.progress import Progress
from arc_encoder.training.callbacks.monitoring.take_off import TakeOff
from arc_encoder.training.callbacks.monitoring.throughput import Throughput
from arc_encoder.training.callbacks.safety.decoder_guard import DecoderGuard
from arc_encoder.training.callbacks.safety.mixed_precision import MixedPrecision
from arc_encoder.training.callbacks.safety.non_finite import NonFinite
from arc_encoder.training.callbacks.safety.stop_on_signal import StopOnSignal
from arc_encoder.training.callbacks.samples.free_reconstruction import FreeReconstruction
from arc_encoder.training.callbacks.samples.text_samples import TextSamples
from arc_encoder.training.callbacks.samples.vector_words import VectorWords
from arc_encoder.training.callbacks.saving.add_to_folder import AddToFolder
from arc_encoder.training.callbacks.saving.best_compressor import ExportBest
from arc_encoder.training.callbacks.saving.export import ExportCompressor
from arc_encoder.training.callbacks.saving.random_state import RandomState
from arc_encoder.training.callbacks.saving.step_checkpoint import AgreedCheckpoint, StepCheckpoint
from arc_encoder.training.callbacks.saving.weight_average import WeightAverage

__all__ = [
    "AddToFolder",
    "AgreedCheckpoint",
    "CompileLayers",
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
