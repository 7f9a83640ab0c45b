"""Instructions: a compressed document, what is wanted of it, and the answer (Pilchen et al., 2025, §4.3).

    {header}:
    <context>

    {instruction}
    Question: {question}
    Answer:{answer}

The document comes as one context however long it is; the model cuts it into chunks that are encoded in
parallel. In front of a chat decoder all but the answer is in the user's turn.
"""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import at_least
from arc_encoder.core.segments import Instruction, Role, Sample, Segment, TaskToken
from arc_encoder.data.prompts import asked, joined_passages
from arc_encoder.data.records import Question, Source
from arc_encoder.data.schedule.order import shuffled
from arc_encoder.data.tasks.base import Task, first_tokens

NOTHING = Instruction()  # the sample says what is wanted


class Instruct(Task):
    """One document, one request, one answer; no examples.

    Args:
        source: questions; a record's own `instruction` goes before that of the task.
        header: what the document is called: Story, Article, Report, Transcript (as in ZeroSCROLLS).
        instruction: what is wanted, for records that do not say it; may be empty.
        max_passages: passages of a document: a random number from 1 to this many, joined; None takes all of them.
        max_tokens: encoder tokens of a document, of which a longer one keeps the first; None keeps all. The method's
            longest is 32 chunks of 1024.
        share: how much of the training this task gets.

    Raises:
        ConfigError: a number below 1.
    """

    lengths_vary = True

    def __init__(
        self,
        source: Source[Question],
        *,
        header: str = "Document",
        instruction: str = "",
        max_passages: int | None = None,
        max_tokens: int | None = 32 * 1024,
        share: float = 1.0,
    ) -> None:
        super().__init__(share)
        at_least(1, "instruct", ", or null for no limit", max_passages=max_passages, max_tokens=max_tokens)
        self.source, self.header, self.instruction = source, header, instruction
        self.max_passages, self.max_tokens = max_passages, max_tokens

    @property
    def has_text_form(self) -> bool:
        return self.max_tokens is not None

    def sample(self, index: int, seed: int, tokenizer: PreTrainedTokenizerBase) -> Sample:
        question = self.source[shuffled(index, len(self.source), seed)]
        count = len(question.passages)
        if self.max_passages is not None:
            count = self.random(index, seed).randint(1, min(self.max_passages, count))
        document = first_tokens(joined_passages(question, count), self.max_tokens, tokenizer)
        wanted = question.instruction or self.instruction
        request = "\n" + (f"\n{wanted}" if wanted else "") + asked(question.question)
        return Sample(
            id=question.id,
            segments=(
                Segment(f"{self.header}:\n", Role.PLAIN),
                Segment(document, Role.CONTEXT),
                Segment(request, Role.PLAIN),
                Segment(" " + question.answers[0], Role.TARGET),
            ),
            task_token=TaskToken.CONTINUE,
            end_of_text=True,
            instruction=NOTHING,
        )
