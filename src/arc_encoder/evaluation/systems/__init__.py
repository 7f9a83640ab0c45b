"""Systems to compare, one a file."""

from arc_encoder.evaluation.systems.arc import Arc
from arc_encoder.evaluation.systems.base import Prompt, System
from arc_encoder.evaluation.systems.best_sentences import BestSentences
from arc_encoder.evaluation.systems.closed_book import ClosedBook
from arc_encoder.evaluation.systems.embedding_average import AveragedEmbeddings
from arc_encoder.evaluation.systems.llmlingua2 import LLMLingua2
from arc_encoder.evaluation.systems.open_book import OpenBook
from arc_encoder.evaluation.systems.truncate import Truncate

__all__ = [
    "Arc",
    "AveragedEmbeddings",
    "BestSentences",
    "ClosedBook",
    "LLMLingua2",
    "OpenBook",
    "Prompt",
    "System",
    "Truncate",
]
