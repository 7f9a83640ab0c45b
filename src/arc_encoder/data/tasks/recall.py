"""Recall: [compressed text] and a few of its words → the words that follow them there.

Reconstruction reads a compressed text from its beginning; a question asks for something in the middle of it. Recall
trains that: any place of the text, found by what it says. It needs plain text alone, as pretraining has it.
"""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import ConfigError, at_least
from arc_encoder.core.segments import Instruction, Role, Sample, Segment, TaskToken
from arc_encoder.data.batching.tokens import token_spans
from arc_encoder.data.records import Document, Source
from arc_encoder.data.schedule.order import shuffled
from arc_encoder.data.tasks.base import Task, cut, long_enough, window_of

QUOTE = Instruction(request="\n Quote passages of the previous text.", suffix="Passages:\n")


class Recall(Task):
    """Parts of a compressed text, each begun with its own first words.

    The text is cut into as many equal stretches as there are parts, one part is taken from each, and they are asked for
    in random order, so that none can be copied from another's words. A text that is too short for a single part
    gives its place to the next one.

    Args:
        source: documents.
        max_tokens: longest compressed text, in encoder tokens; of a longer document a random stretch is taken.
        parts: most parts of one text.
        cue: words of a part that are shown, in encoder tokens.
        length: of a part that is asked for, in encoder tokens.
        share: how much of the training this task gets.
        instruction: what a chat decoder is told.

    Raises:
        ConfigError: a number below 1, or a cue and a length that do not fit into max_tokens.
    """

    def __init__(
        self,
        source: Source[Document],
        *,
        max_tokens: int = 256,
        parts: int = 4,
        cue: int = 8,
        length: int = 24,
        share: float = 0.2,
        instruction: Instruction = QUOTE,
    ) -> None:
        super().__init__(share)
        at_least(1, "recall", max_tokens=max_tokens, parts=parts, cue=cue, length=length)
        if cue + length > max_tokens:
            raise ConfigError(f"recall: cue={cue} and length={length} together must be at most max_tokens={max_tokens}")
        self.source, self.max_tokens, self.instruction = source, max_tokens, instruction
        self.parts, self.cue, self.length = parts, cue, length

    def sample(self, index: int, seed: int, tokenizer: PreTrainedTokenizerBase) -> Sample:
        name, segments = long_enough(
            self.source,
            shuffled(index, len(self.source), seed),
            lambda document: self._segments(document, index, seed, tokenizer),
            f"are too short to recall {self.length} tokens after {self.cue}; leave them out, or lower recall's cue and length",
        )
        return Sample(name, segments, TaskToken.CONTINUE, instruction=self.instruction)

    def _segments(
        self, document: Document, index: int, seed: int, tokenizer: PreTrainedTokenizerBase
    ) -> tuple[Segment, ...]:
        """Context, and cue and target of each part; nothing if the text is too short."""
        text = window_of(document.text, self.max_tokens, f"window-{seed}-{index}")
        spans = token_spans(text, tokenizer)
        rng = self.random(index, seed)
        window = min(len(spans), self.max_tokens)
        first = rng.randint(0, len(spans) - window)
        one = self.cue + self.length
        parts = min(self.parts, window // one)
        if not parts:
            return ()
        stretch = window // parts
        segments = [Segment(cut(text, spans, first, first + window), Role.CONTEXT)]
        for number in rng.sample(range(parts), parts):
            start = first + number * stretch + rng.randint(0, stretch - one)
            begun = cut(text, spans, start, start + self.cue).lstrip()
            asked = cut(text, spans, start + self.cue, start + one)
            if begun and asked:  # several tokens can be one character
                segments += [Segment("\n" + begun, Role.PLAIN), Segment(asked, Role.TARGET)]
        return tuple(segments) if len(segments) > 1 else ()
