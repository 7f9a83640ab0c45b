"""One question about one of several compressed documents.

Documents that are only ever read alone fall to chance when several are in a prompt; trained together with
distractors they gain 10 to 31 points (arXiv 2606.04557).
"""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import ConfigError, at_least
from arc_encoder.core.segments import Role, Sample, Segment, TaskToken
from arc_encoder.data.prompts import DOCUMENT, SEPARATOR, asked, joined_passages, merge_plain
from arc_encoder.data.records import Question, Source
from arc_encoder.data.schedule.order import shuffled
from arc_encoder.data.tasks.base import Task, first_tokens


class Distractors(Task):
    """Several documents, each compressed by itself, then a question about one of them, at a random place.

    Args:
        source: questions; the other documents are those of other questions.
        documents: most documents in a prompt, the asked one included; each sample draws from 1 to so many.
        max_tokens: encoder tokens of a document, of which a longer one keeps the first; None keeps all.
        share: how much of the training this task gets.

    Raises:
        ConfigError: fewer than two documents, or more than the source has questions.
    """

    lengths_vary = True

    def __init__(
        self, source: Source[Question], *, documents: int = 4, max_tokens: int | None = 2048, share: float = 1.0
    ) -> None:
        super().__init__(share)
        at_least(2, "distractors", "; fewshot asks about one", documents=documents)
        if len(source) < documents:
            raise ConfigError(f"distractors: documents={documents}, but the source has only {len(source)} questions")
        at_least(1, "distractors", ", or null for no limit", max_tokens=max_tokens)
        self.source, self.documents, self.max_tokens = source, documents, max_tokens

    @property
    def has_text_form(self) -> bool:
        return self.max_tokens is not None

    def sample(self, index: int, seed: int, tokenizer: PreTrainedTokenizerBase) -> Sample:
        rng, size = self.random(index, seed), len(self.source)
        question = self.source[shuffled(index, size, seed)]
        texts = {joined_passages(question): None}  # an ordered set: questions about one document count once
        count = rng.randint(1, self.documents)
        for _ in range(4 * self.documents):  # a source may hold few documents
            if len(texts) >= count:
                break
            texts[joined_passages(self.source[rng.randrange(size)])] = None
        shown = list(texts)
        rng.shuffle(shown)
        segments: list[Segment] = []
        for number, text in enumerate(shown):
            segments += [
                Segment((SEPARATOR if number else "") + DOCUMENT, Role.PLAIN),
                Segment(first_tokens(text, self.max_tokens, tokenizer), Role.CONTEXT),
            ]
        segments += [Segment(asked(question.question), Role.PLAIN), Segment(" " + question.answers[0], Role.TARGET)]
        return Sample(question.id, tuple(merge_plain(segments)), TaskToken.CONTINUE, end_of_text=True)
