"""The shape of a task's batch is that of its samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import Role
from arc_encoder.data.records import Document, Question
from arc_encoder.data.tasks import Continuation, FewShot, Reconstruction, Task
from arc_encoder.tools.planning.costs.workload import Lengths, Workload, batch_of, workload
from tests.tiny_models import tiny_tokenizer

DOCUMENTS: Sequence[Any] = [Document("a", "x" * 200), Document("b", "y" * 200)]


def counted(task: Task) -> tuple[int, int, int]:
    """Context, plain and target tokens of a sample, one token a byte, as the method's prompts have them."""
    sample = task.sample(0, 0, tiny_tokenizer())
    sizes = {role: sum(len(s.text) for s in sample.segments if s.role is role) for role in Role}
    return sizes[Role.CONTEXT], 1 + sizes[Role.PLAIN], sizes[Role.TARGET] + sample.end_of_text


@pytest.mark.parametrize(
    "task",
    [
        Reconstruction(DOCUMENTS, max_tokens=32),
        Continuation(DOCUMENTS, part=16),
        Continuation(DOCUMENTS, part=16, interleaved=False),
    ],
    ids=["reconstruction", "interleaved", "continuation"],
)
def test_pretraining_tasks(task: Task) -> None:
    shape = workload(task, Lengths())
    assert (shape.contexts * shape.context_tokens, shape.plain_tokens, shape.targets) == counted(task)


def test_few_shot() -> None:
    questions: Sequence[Any] = [
        Question(id=str(i), question="q" * 20, answers=("a" * 7,), passages=("p" * 50,), subset="x") for i in range(9)
    ]
    task = FewShot(questions, shots=3)
    contexts, plain, targets = counted(task)
    around = (plain - 1 - 4 * 20 - 3 * 7) / 4  # words of the prompt around each question
    lengths = Lengths(document=50, question=20 + round(around), answer=7)
    shape = workload(task, lengths)
    assert shape.contexts == 4
    assert shape.contexts * shape.context_tokens == contexts
    assert shape.plain_tokens == pytest.approx(plain, abs=4)
    assert shape.targets == pytest.approx(targets, abs=1)
    every = workload(FewShot(questions, shots=3, loss_on_examples=True), lengths)
    assert every.plain_tokens + every.targets == shape.plain_tokens + shape.targets
    assert every.targets == shape.targets + 3 * 7


def test_other_tasks_and_batches() -> None:
    class Other(Task):
        def sample(self, index: int, seed: int, tokenizer: Any) -> Any:
            raise NotImplementedError

    lengths = Lengths(document=100, question=10, answer=5)
    assert batch_of(Other(), 4, lengths) == Workload(4, 1, 100, 10, 5)
    assert batch_of(Other(), 4, lengths).tokens == 4 * 115
    with pytest.raises(ConfigError, match="document_tokens=0 must be at least 1"):
        Lengths(document=0)
