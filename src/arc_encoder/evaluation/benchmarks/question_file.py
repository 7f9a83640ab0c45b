"""Questions of a JSONL file, and what the answered examples in front of them are drawn from."""

from __future__ import annotations

from pathlib import Path

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.data.records import Question, Source
from arc_encoder.data.sources.jsonl import JsonlQuestions, OnError, list_files
from arc_encoder.evaluation.protocols.drawing import Some


class QuestionFile:
    """A source of questions.

    Args:
        path: JSONL file with question, passages and answers.
        examples_path: likewise, for the examples: a training split, for instance; None holds some questions out for them.
        prepare: the recipe of ``arc-data prepare`` that makes the file, for who does not have it.
        only: ask only questions that hold this text, for files of several kinds.
        on_error: what a broken line does: ``stop``, or ``skip`` with a warning.

    Raises:
        ConfigError: no path.
        DataError: no such file, or no question in it that holds the text.
    """

    def __init__(
        self,
        path: str | None,
        examples_path: str | None = None,
        prepare: str | None = None,
        only: str | None = None,
        on_error: OnError = "stop",
    ) -> None:
        if path is None:
            raise ConfigError("benchmark: give the path of a JSONL file with questions")
        if prepare is not None and not list_files(path):
            raise DataError(f"{path} is not there", advice="prepare", recipe=prepare)
        self.name = Path(path).name
        self.questions = _asking(JsonlQuestions(path, on_error=on_error), only, path)
        self.examples: Source[Question] | None = None
        if examples_path is not None:
            self.examples = _asking(JsonlQuestions(examples_path, on_error=on_error), only, examples_path)

    def __len__(self) -> int:
        return len(self.questions)

    def __getitem__(self, index: int) -> Question:
        return self.questions[index]


def _asking(source: Source[Question], only: str | None, path: str) -> Source[Question]:
    if only is None:
        return source
    places = [i for i in range(len(source)) if only in source[i].question]
    if not places:
        raise DataError(f"no question in {path} holds the text {only!r}")
    return Some(source, places)
