"""Systems to compare, one a file."""

from arc_encoder.evaluation.systems.arc import Arc
from arc_encoder.evaluation.systems.base import Prompt, System
from arc_encoder.evaluation.systems.baselines.best_sentences import BestSentences
from arc_encoder.evaluation.systems.baselines.embedding_average import AveragedEmbeddings
from arc_encoder.evaluation.systems.baselines.llmlingua2 import LLMLingua2
from arc_encoder.evaluation.systems.closed_book import ClosedBook
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
