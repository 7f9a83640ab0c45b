"""Where documents are compressed: in this process, or by Ray Data on a cluster."""

from arc_encoder.inference.storage.corpus.engines.base import CorpusJob, Engine, LocalEngine
from arc_encoder.inference.storage.corpus.engines.ray_data import RayEngine

__all__ = ["CorpusJob", "Engine", "LocalEngine", "RayEngine"]
