"""Reconstruction: [compressed text] → the same text (Pilchen et al., 2025, §3.3)."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import at_least
from arc_encoder.core.segments import Instruction, Role, Sample, Segment, TaskToken
from arc_encoder.data.batching.tokens import token_spans
from arc_encoder.data.records import Document, Source
from arc_encoder.data.schedule.order import shuffled
from arc_encoder.data.tasks.base import Task, cut, window_of

REPLICATE = Instruction("Text:\n\n", "\n Replicate the input text.", "Replicated text:\n")


class Reconstruction(Task):
    """The decoder repeats a compressed text.

    Args:
        source: documents.
        max_tokens: longest text, in encoder tokens; of a longer document a random part is taken. Of a huge one
            (a book) the part is drawn by characters first, so that the rest is not tokenized.
        share: how much of the training this task gets.
        instruction: what a chat decoder is told; the method's by default (Pilchen et al., 2025, §4.3).
    """

    def __init__(
        self,
        source: Source[Document],
        *,
        max_tokens: int = 256,
        share: float = 0.2,
        instruction: Instruction = REPLICATE,
    ) -> None:
        super().__init__(share)
        at_least(1, "reconstruction", max_tokens=max_tokens)
        self.source, self.max_tokens, self.instruction = source, max_tokens, instruction

    def sample(self, index: int, seed: int, tokenizer: PreTrainedTokenizerBase) -> Sample:
        document = self.source[shuffled(index, len(self.source), seed)]
        text = window_of(document.text, self.max_tokens, f"window-{seed}-{index}")
        spans = token_spans(text, tokenizer)
        if len(spans) > self.max_tokens:
            start = self.random(index, seed).randint(0, len(spans) - self.max_tokens)
            text = cut(text, spans, start, start + self.max_tokens)
        return Sample(
            id=document.id,
            segments=(Segment(text, Role.CONTEXT), Segment(text, Role.TARGET)),
            task_token=TaskToken.RECONSTRUCT,
            end_of_text=True,
            instruction=self.instruction,
        )
