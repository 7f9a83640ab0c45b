"""What vectors begin as, one start a file. Importing this package makes all of them known."""

from arc_encoder.model.heads.starts.base import Start
from arc_encoder.model.heads.starts.decoder_embeddings import DecoderEmbeddings
from arc_encoder.model.heads.starts.mean_embeddings import MeanEmbeddings
from arc_encoder.model.heads.starts.vocabulary import SharedVocabulary

__all__ = ["DecoderEmbeddings", "MeanEmbeddings", "SharedVocabulary", "Start"]
