"""What a system is: how documents are shown to the decoder.

ARC-Encoder and the baselines differ in nothing else: examples, questions, decoder and scoring are the same.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.lru import Lru
from arc_encoder.core.segments import Role, Sample, Segment, TaskToken
from arc_encoder.data.prompts import merge_plain
from arc_encoder.data.records import Question
from arc_encoder.evaluation.protocols import Layout, Strict
from arc_encoder.evaluation.session.session import Session

STRICT = Strict()
SHOWN = 100_000_000  # characters of documents whose form in a prompt is remembered
OVERHEAD = 2_000  # that one counts besides


@dataclass(frozen=True)
class Prompt:
    """What the decoder gets, and which documents are in it.

    Attributes:
        sample: the prompt.
        documents: the documents as they are.
        shown: the text in their place; nothing where vectors take it, or where they were left out.
    """

    sample: Sample
    documents: tuple[str, ...]
    shown: tuple[str, ...]


class System(ABC):
    """Turns questions and documents into samples for the decoder.

    Attributes:
        needs_compressor: whether documents become vectors.
        needs_budget: whether `present` needs to know what compression would cost.
        needs_checkpoint: whether it works with the ARC-Encoder that the command was given.
        decoder_modified: whether the decoder's weights are not its own.
        own_models: names of attributes that hold models which `open` loads; None until then.
        uses_query: whether `present` looks at the query; what does not is shown once for a document and budget.
    """

    needs_compressor = False
    needs_budget = False
    needs_checkpoint = False
    decoder_modified = False
    own_models: tuple[str, ...] = ()
    uses_query = True

    @abstractmethod
    def present(
        self, document: str, tokenizer: PreTrainedTokenizerBase, *, budget: int = 0, query: str = ""
    ) -> Segment | None:
        """How the decoder sees a document; None leaves it out.

        It must depend on nothing else: what it gave is remembered, and shown when the same comes again.

        Args:
            document: the text.
            tokenizer: the decoder's.
            budget: vectors that the ARC-Encoder would make of it, task token included (0 if not needed).
            query: the question about it; the text before it, where none is asked.
        """

    def selection_work(self, documents: float, tokens: float) -> float:
        """Floating-point operations of choosing what is shown, before the decoder reads it.

        Args:
            documents: how many are shown.
            tokens: decoder tokens that one of them has as text.

        Returns:
            0 where no model reads the documents to choose.
        """
        return 0.0

    def open(self, session: Session) -> Session:
        """The session in which this system works: the given one, or one with a model of its own.

        Systems that show text get the decoder as it came, also where the command's compressor would change it.
        """
        return session if self.needs_compressor else session.as_text()

    def close(self) -> None:
        """Let go of models of its own, which `open` loads again: an evaluation of several systems holds one's at a time."""
        for name in self.own_models:
            setattr(self, name, None)

    def own_factor(self, session: Session) -> int | None:
        """The pooling factor where the command names none: that of the session's ARC-Encoder."""
        return session.trained_factor

    def factors(self, session: Session, asked: Sequence[int | None]) -> list[tuple[int | None, int | None]]:
        """Pooling factors to run at, as they are set and as results name them.

        What works with a compressor that always gives the same number of vectors runs once.
        """
        own = self.own_factor(session)
        fixed = own is None and (self.needs_compressor or session.measure is not None)
        if fixed or not (self.needs_compressor or self.needs_budget):
            return [(None, None)]
        return list(dict.fromkeys((factor, factor or own) for factor in asked))

    def few_shot(
        self,
        examples: Sequence[Question],
        query: Question,
        budgets: dict[str, int],
        tokenizer: PreTrainedTokenizerBase,
        layout: Layout = STRICT,
    ) -> Prompt:
        """The prompt for `query`, after answered examples, in the words of `layout`."""
        documents: list[str] = []
        blocks = []
        for question in [*examples, query]:
            texts = layout.documents(question, asked=question is query)
            shown = [self._shown(text, tokenizer, budgets.get(text, 0), question.question) for text in texts]
            documents += texts
            blocks.append((question, shown))
        segments = layout.segments(blocks[:-1], blocks[-1])
        sample = Sample(query.id, tuple(segments), TaskToken.CONTINUE)
        return Prompt(sample, tuple(documents), _as_text([segment for _, shown in blocks for segment in shown]))

    def continuation(self, sample: Sample, budgets: dict[str, int], tokenizer: PreTrainedTokenizerBase) -> Prompt:
        """A continuation sample, its context shown as this system shows documents."""
        shown = {
            place: self._shown(
                segment.text,
                tokenizer,
                budgets.get(segment.text, 0),
                "".join(before.text for before in sample.segments[:place]),
            )
            for place, segment in enumerate(sample.segments)
            if segment.role is Role.CONTEXT
        }
        chosen = [shown.get(place, segment) for place, segment in enumerate(sample.segments)]
        segments = tuple(merge_plain([segment for segment in chosen if segment is not None]))
        documents = tuple(sample.segments[place].text for place in shown)
        return Prompt(replace(sample, segments=segments), documents, _as_text(list(shown.values())))

    def _shown(self, document: str, tokenizer: PreTrainedTokenizerBase, budget: int, query: str) -> Segment | None:
        """What `present` gives, remembered for when the document comes again, as those of examples do."""
        memory: Lru[Any, tuple[Segment | None]] = self.__dict__.setdefault("_shown_before", Lru(SHOWN, _size))
        words = f"{document}\0{query}" if self.uses_query else document
        key = (tokenizer, budget, hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=20).digest())
        if (found := memory.get(key)) is None:
            found = (self.present(document, tokenizer, budget=budget, query=query),)
            memory.put(key, found)
        return found[0]


def _size(shown: tuple[Segment | None]) -> int:
    return OVERHEAD + (len(shown[0].text) if shown[0] is not None else 0)


def _as_text(shown: Sequence[Segment | None]) -> tuple[str, ...]:
    return tuple(segment.text for segment in shown if segment is not None and segment.role is not Role.CONTEXT)
