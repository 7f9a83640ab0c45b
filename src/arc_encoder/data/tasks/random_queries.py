"""Text that has nothing to do with the compressed context in front of it, continued as if the context were not there.

It keeps vectors from drawing the decoder to themselves: what is asked decides, not what was compressed
(arXiv 2602.21221, where it keeps reasoning intact at 16 tokens a vector). The decoder that is distilled from reads
the sample without its context.
"""

from __future__ import annotations

from dataclasses import replace

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import Role, Sample, Segment, TaskToken
from arc_encoder.data.records import Document, Source
from arc_encoder.data.tasks.base import Task
from arc_encoder.data.tasks.continuation import Continuation

OTHER = 1  # what is added to the seed of the text that is compressed


class RandomQueries(Task):
    """A part of one document compressed; the beginning of another as text; loss on how the other continues.

    Args:
        source: documents, at least two.
        part: longest compressed part, longest beginning and longest continuation, in encoder tokens.
        share: how much of the training this task gets.

    Raises:
        ConfigError: parts below 1, or a single document.
    """

    def __init__(self, source: Source[Document], *, part: int = 256, share: float = 0.1) -> None:
        super().__init__(share)
        if len(source) < 2:
            raise ConfigError(f"random queries: the source must have two documents at least; it has {len(source)}")
        self.source, self.part = source, part
        self._continuation = Continuation(source, part=part, interleaved=False)

    def sample(self, index: int, seed: int, tokenizer: PreTrainedTokenizerBase) -> Sample:
        asked = self._continuation.sample(index, seed, tokenizer)
        other, place = asked, index
        while other.id == asked.id:
            other = self._continuation.sample(place, seed + OTHER, tokenizer)
            place += 1
        context = next(segment for segment in other.segments if segment.role is Role.CONTEXT)
        plain = tuple(
            replace(segment, role=Role.PLAIN) if segment.role is Role.CONTEXT else segment for segment in asked.segments
        )
        segments: tuple[Segment, ...] = (context, *plain)
        return Sample(asked.id, segments, TaskToken.CONTINUE, read_as_text=False)
