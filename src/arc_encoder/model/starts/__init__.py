"""What vectors begin as, one start a file. Importing this package makes all of them known."""

from arc_encoder.model.starts.base import Start
from arc_encoder.model.starts.fit import fit_start
from arc_encoder.model.starts.mean_embeddings import MeanEmbeddings

__all__ = ["MeanEmbeddings", "Start", "fit_start"]
