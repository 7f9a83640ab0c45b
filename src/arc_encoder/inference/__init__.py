"""The Python interface: load a trained compressor, encode documents, ask questions about them."""

from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.encoding.contexts import CompressedContext, Context
from arc_encoder.inference.generation.prompts import Prompt
from arc_encoder.inference.generation.sampling import Sampling

__all__ = ["CompressedContext", "Compressor", "Context", "Prompt", "Sampling"]
