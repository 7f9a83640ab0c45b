"""Benchmarks, one kind a file."""

from arc_encoder.evaluation.benchmarks.base import Benchmark, ExampleResult
from arc_encoder.evaluation.benchmarks.continuation_loss import ContinuationLoss
from arc_encoder.evaluation.benchmarks.free_reconstruction import FreeReconstruction
from arc_encoder.evaluation.benchmarks.question_answering import QuestionAnswering
from arc_encoder.evaluation.benchmarks.question_file import QuestionFile

__all__ = ["Benchmark", "ContinuationLoss", "ExampleResult", "FreeReconstruction", "QuestionAnswering", "QuestionFile"]
