"""The Python interface: load a trained compressor, encode documents, ask questions about them."""

from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.contexts import CompressedContext, Context
from arc_encoder.inference.prompts import Prompt
from arc_encoder.inference.sampling import Sampling

__all__ = ["CompressedContext", "Compressor", "Context", "Prompt", "Sampling"]
