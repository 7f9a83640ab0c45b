"""Continuation: [plain prefix] [compressed part] → the part that follows (Pilchen et al., 2025, §3.3)."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import at_least
from arc_encoder.core.segments import Instruction, Role, Sample, Segment, TaskToken
from arc_encoder.data.batching.tokens import token_spans
from arc_encoder.data.records import Document, Source
from arc_encoder.data.schedule.order import shuffled
from arc_encoder.data.tasks.base import Task, cut, long_enough, window_of

CONTINUE = Instruction(request="\n Continue the previous text.", suffix="Text continuation:\n")


class Continuation(Task):
    """The decoder continues after a compressed part of a document.

    Of a window of n encoder tokens, what exceeds part + continued is the plain prefix (at most `part` tokens, none if
    not interleaved); the rest is compressed and continued in this proportion, half and half by default. A document
    that is too short for that gives its place to the next one.

    Args:
        source: documents.
        part: longest compressed part, in encoder tokens.
        continued: longest continuation; None for `part`.
        interleaved: give the decoder a plain prefix.
        share: how much of the training this task gets.
        instruction: what a chat decoder is told; the method's by default (Pilchen et al., 2025, §4.3).
    """

    def __init__(
        self,
        source: Source[Document],
        *,
        part: int = 256,
        continued: int | None = None,
        interleaved: bool = True,
        share: float = 0.8,
        instruction: Instruction = CONTINUE,
    ) -> None:
        super().__init__(share)
        at_least(1, "continuation", part=part, continued=continued)
        self.source, self.part, self.interleaved, self.instruction = source, part, interleaved, instruction
        self.continued = part if continued is None else continued

    def sample(self, index: int, seed: int, tokenizer: PreTrainedTokenizerBase) -> Sample:
        name, segments = long_enough(
            self.source,
            shuffled(index, len(self.source), seed),
            lambda document: self._segments(document, index, seed, tokenizer),
            "have fewer than two tokens: too short to compress one part and continue another; leave them out",
        )
        return Sample(name, segments, TaskToken.CONTINUE, instruction=self.instruction)

    def _segments(
        self, document: Document, index: int, seed: int, tokenizer: PreTrainedTokenizerBase
    ) -> tuple[Segment, ...]:
        """Prefix, context and target of a document; nothing if it is too short."""
        read = self.part + self.continued
        longest = read + (self.part if self.interleaved else 0)
        text = window_of(document.text, longest, f"window-{seed}-{index}")
        spans = token_spans(text, tokenizer)
        if len(spans) < 2:
            return ()
        window = min(len(spans), longest)
        start = self.random(index, seed).randint(0, len(spans) - window)
        prefix = max(0, window - read)
        middle = start + prefix + (window - prefix) * self.part // read
        pieces = (
            Segment(cut(text, spans, start, start + prefix) if prefix else "", Role.PLAIN),
            Segment(cut(text, spans, start + prefix, middle), Role.CONTEXT),
            Segment(cut(text, spans, middle, start + window), Role.TARGET),
        )
        if not (pieces[1].text and pieces[2].text):  # several tokens can be one character
            return ()
        return tuple(piece for piece in pieces if piece.text)
