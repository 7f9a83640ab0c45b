"""Poolings, one a file. Importing this package makes all of them known."""

from arc_encoder.model.encoder.pooling.base import Pooling
from arc_encoder.model.encoder.pooling.fusion import FusionPooling
from arc_encoder.model.encoder.pooling.kmeans import KMeansPooling
from arc_encoder.model.encoder.pooling.last import LastPooling
from arc_encoder.model.encoder.pooling.mean import MeanPooling
from arc_encoder.model.encoder.pooling.memory_tokens import MemoryTokens
from arc_encoder.model.encoder.pooling.sum import SumPooling

__all__ = ["FusionPooling", "KMeansPooling", "LastPooling", "MeanPooling", "MemoryTokens", "Pooling", "SumPooling"]
