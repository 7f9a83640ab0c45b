"""Compressed documents that are kept: a folder of vectors with an index."""

from arc_encoder.inference.storage.codecs.codecs import Codec, FloatCodec, Int8Codec
from arc_encoder.inference.storage.codecs.product_codec import ProductCodec
from arc_encoder.inference.storage.store import VectorStore

__all__ = ["Codec", "FloatCodec", "Int8Codec", "ProductCodec", "VectorStore"]
