"""Looking at data before training: counts, lengths, duplicates, and samples as they would be built."""

from arc_encoder.tools.survey.counting import Lengths, Measure
from arc_encoder.tools.survey.report import SourceReport
from arc_encoder.tools.survey.survey import survey_source

__all__ = ["Lengths", "Measure", "SourceReport", "survey_source"]
