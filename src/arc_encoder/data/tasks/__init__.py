"""Training tasks, one a file."""

from arc_encoder.data.tasks.base import Task
from arc_encoder.data.tasks.continuation import Continuation
from arc_encoder.data.tasks.distractors import Distractors
from arc_encoder.data.tasks.few_shot import FewShot
from arc_encoder.data.tasks.instruct import Instruct
from arc_encoder.data.tasks.random_queries import RandomQueries
from arc_encoder.data.tasks.recall import Recall
from arc_encoder.data.tasks.reconstruction import Reconstruction

__all__ = ["Continuation", "Distractors", "FewShot", "Instruct", "RandomQueries", "Recall", "Reconstruction", "Task"]
