"""What a system is: a way to put documents before a decoder.

To add one: subclass `System`, and name the class in a YAML file of `configs/system`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from transformers import PreTrainedTokenizerBase

from arc_encoder.data.prompts import few_shot_segments, joined_passages, merge_plain
from arc_encoder.data.records import Question
from arc_encoder.segments import Role, Sample, Segment, TaskToken


class System(ABC):
    """Turns questions and documents into samples for the decoder.

    Attributes:
        needs_compressor: whether an ARC-Encoder must be loaded.
        needs_budget: whether `present` needs to know what compression would cost.
    """

    needs_compressor = False
    needs_budget = False

    @abstractmethod
    def present(self, document: str, budget: int, tokenizer: PreTrainedTokenizerBase) -> Segment | None:
        """How the decoder sees a document; None leaves it out.

        Args:
            document: the text.
            budget: vectors that the ARC-Encoder would make of it, task token included (0 if not needed).
            tokenizer: the decoder's.
        """

    def few_shot(
        self, examples: Sequence[Question], query: Question, budgets: dict[str, int], tokenizer: PreTrainedTokenizerBase
    ) -> Sample:
        """The prompt for `query`, after answered examples."""
        drawn = [(question, joined_passages(question)) for question in [*examples, query]]
        shown = {text: self.present(text, budgets.get(text, 0), tokenizer) for _, text in drawn}
        if all(segment is None for segment in shown.values()):
            segments = few_shot_segments(drawn[:-1], drawn[-1], context=None)
        else:
            marked = few_shot_segments(drawn[:-1], drawn[-1], context=Role.CONTEXT)
            chosen = [shown[s.text] if s.role is Role.CONTEXT else s for s in marked]
            segments = merge_plain([segment for segment in chosen if segment is not None])
        return Sample(query.id, tuple(segments), TaskToken.CONTINUE)

    def continuation(self, sample: Sample, budgets: dict[str, int], tokenizer: PreTrainedTokenizerBase) -> Sample:
        """A continuation sample, its context shown as this system shows documents."""
        segments = []
        for segment in sample.segments:
            shown = (
                self.present(segment.text, budgets.get(segment.text, 0), tokenizer)
                if segment.role is Role.CONTEXT
                else segment
            )
            if shown is not None:
                segments.append(shown)
        return replace(sample, segments=tuple(merge_plain(segments)))
