"""What one batch of a task looks like: how many contexts, tokens, positions and targets.

A decoder's tokenizer is taken to cut text as the encoder's does, which is close for all usual models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch

import torch

from arc_encoder.core.errors import at_least
from arc_encoder.data.tasks import Continuation, FewShot, Reconstruction, Task
from arc_encoder.model.encoder.pooling import MemoryTokens
from arc_encoder.tools.planning.parts import Parts


@dataclass(frozen=True)
class Lengths:
    """Tokens of a question's parts, where a task takes them from the data.

    Attributes:
        document: of a document.
        question: of a question with the words around it.
        answer: of an answer.
    """

    document: int = 512
    question: int = 32
    answer: int = 16

    def __post_init__(self) -> None:
        at_least(1, document_tokens=self.document, question_tokens=self.question, answer_tokens=self.answer)


@dataclass(frozen=True)
class Workload:
    """The largest batch of one task, on one process.

    Attributes:
        samples: B, samples of the batch.
        contexts: contexts of one sample.
        context_tokens: encoder tokens of one context.
        plain_tokens: decoder tokens of one sample that are neither compressed nor predicted.
        targets: predicted decoder tokens of one sample.
        padded: whether contexts and samples differ in length, so that attention needs a mask.
        factor: pooling factor, None for the model's own.
    """

    samples: int
    contexts: int
    context_tokens: int
    plain_tokens: int
    targets: int
    padded: bool = True
    factor: float | None = None

    @property
    def tokens(self) -> int:
        """Text tokens of the batch, read by encoder and decoder together."""
        return self.samples * (self.contexts * self.context_tokens + self.plain_tokens + self.targets)


@singledispatch
def workload(task: Task, lengths: Lengths) -> Workload:
    """One sample of a task; tasks that are not known here are taken as one document and one answer."""
    return Workload(1, 1, lengths.document, lengths.question, lengths.answer)


@workload.register
def _(task: Reconstruction, lengths: Lengths) -> Workload:
    return Workload(1, 1, task.max_tokens, 1, task.max_tokens + 1)  # BOS, and EOS among the targets


@workload.register
def _(task: Continuation, lengths: Lengths) -> Workload:
    return Workload(1, 1, task.part, 1 + (task.part if task.interleaved else 0), task.part)


@workload.register
def _(task: FewShot, lengths: Lengths) -> Workload:
    answered = lengths.question + lengths.answer
    plain, targets = 1 + task.shots * answered + lengths.question, lengths.answer + 1
    if task.loss_on_examples:
        plain, targets = plain - task.shots * lengths.answer, targets + task.shots * lengths.answer
    return Workload(1, task.shots + 1, lengths.document, plain, targets)


def batch_of(task: Task, batch_size: int, lengths: Lengths) -> Workload:
    """The batch of `batch_size` samples of a task."""
    return replace(workload(task, lengths), samples=batch_size)


def chunks(parts: Parts, batch: Workload) -> tuple[int, int]:
    """Sequences that the encoder reads, and tokens of the longest."""
    length = min(batch.context_tokens, parts.compressor.chunking.size)
    return batch.samples * batch.contexts * -(-batch.context_tokens // length), length


def stage_lengths(parts: Parts, length: int, factor: float | None = None) -> list[int]:
    """Rows of a sequence of `length` tokens before the first pooling block and after each of them.

    `factor` is a pooling factor instead of the model's own.
    """
    pooling = parts.compressor.encoder.pooling
    memory = (pooling.used or pooling.count) if isinstance(pooling, MemoryTokens) else 0
    return [int(rows) for rows in pooling.stage_lengths(torch.tensor([length + memory]), factor)]


def context_vectors(parts: Parts, batch: Workload) -> int:
    """Vectors M of one context, task token not counted."""
    return parts.compressor.compressed_length(batch.context_tokens, batch.factor)


def merged_positions(parts: Parts, decoder: str, batch: Workload) -> int:
    """T, positions of one sample in the decoder's input."""
    extra = parts.compressor.head(decoder).extra_vectors()
    return batch.contexts * (context_vectors(parts, batch) + extra) + batch.plain_tokens + batch.targets
