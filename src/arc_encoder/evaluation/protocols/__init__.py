"""How benchmarks are asked and scored, one protocol a file."""

from arc_encoder.evaluation.protocols.base import Chosen, Layout, Protocol, Shown
from arc_encoder.evaluation.protocols.long_document import LongDocument
from arc_encoder.evaluation.protocols.paper import Paper
from arc_encoder.evaluation.protocols.strict import Strict

__all__ = ["Chosen", "Layout", "LongDocument", "Paper", "Protocol", "Shown", "Strict"]
