"""What vectors begin as, one start a file. Importing this package makes all of them known."""

from arc_encoder.model.starts.base import Start
from arc_encoder.model.starts.decoder_embeddings import DecoderEmbeddings
from arc_encoder.model.starts.mean_embeddings import MeanEmbeddings
from arc_encoder.model.starts.vocabulary import SharedVocabulary

__all__ = ["DecoderEmbeddings", "MeanEmbeddings", "SharedVocabulary", "Start"]
