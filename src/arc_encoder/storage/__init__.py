"""Compressed documents that are kept: a folder of vectors with an index."""

from arc_encoder.storage.codecs import Codec, FloatCodec, Int8Codec
from arc_encoder.storage.product_codec import ProductCodec
from arc_encoder.storage.store import VectorStore

__all__ = ["Codec", "FloatCodec", "Int8Codec", "ProductCodec", "VectorStore"]
