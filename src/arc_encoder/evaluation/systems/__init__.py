"""Systems to compare, one a file."""

from arc_encoder.evaluation.systems.arc import Arc
from arc_encoder.evaluation.systems.base import System
from arc_encoder.evaluation.systems.closed_book import ClosedBook
from arc_encoder.evaluation.systems.open_book import OpenBook
from arc_encoder.evaluation.systems.truncate import Truncate

__all__ = ["Arc", "ClosedBook", "OpenBook", "System", "Truncate"]
