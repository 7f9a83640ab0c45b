"""The prompt for one long document: what it is, the document, what is wanted, the question.

After ZeroSCROLLS (Shaham et al., 2023), which the method's long-context evaluation follows
(Pilchen et al., 2025, §4.3); the words are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from arc_encoder.core.segments import Role, Segment
from arc_encoder.data.prompts import joined_passages, merge_plain
from arc_encoder.data.records import Question
from arc_encoder.evaluation.protocols.base import Layout, Shown


class LongDocument(Layout):
    """Headed sections; examples, if there are any, come first, in the same form.

    Args:
        header: what the document is: Story, Article, Report, Transcript.
        instruction: what is wanted, in front of everything.
        question: title of the question's section; None if the instruction says all.
        answer: title of the answer's section.
    """

    def __init__(
        self, header: str, instruction: str, question: str | None = "Question", answer: str = "Answer"
    ) -> None:
        self.header, self.instruction, self.question, self.answer = header, instruction, question, answer

    def documents(self, question: Question, *, asked: bool) -> list[str]:
        return [joined_passages(question)]

    def segments(self, examples: Sequence[Shown], query: Shown) -> list[Segment]:
        segments = [Segment(self.instruction + "\n\n", Role.PLAIN)]
        for number, (question, documents) in enumerate([*examples, query]):
            shown = documents[0]
            if shown is not None:
                segments += [Segment(f"{self.header}:\n", Role.PLAIN), shown, Segment("\n\n", Role.PLAIN)]
            words = f"{self.question}:\n{question.question}\n\n" if self.question else ""
            words += f"{self.answer}:\n"
            if number < len(examples):
                words += f"{question.answers[0]}\n\n"
            segments.append(Segment(words, Role.PLAIN))
        return merge_plain(segments)
