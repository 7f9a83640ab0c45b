"""How messages become one prompt: by the decoder's chat template, or, for a plain decoder, in the form of fine-tuning.

To add one: subclass `ChatFormat`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.data.batching.chat import read_template, rendered, template_pieces
from arc_encoder.data.batching.collator import DecoderText
from arc_encoder.data.prompts import DOCUMENT, SEPARATOR, asked
from arc_encoder.inference.serving.prompts.prompt import Document, Part, Special, Turn, opening

MARK = "ARC-PART-{}-4e1b"  # stands for a message's content while the template is rendered


class ChatFormat(ABC):
    """Messages → one prompt.

    Args:
        text: how text is tokenized for the decoder.
    """

    stops: tuple[str, ...] = ()  # texts at which an answer ends

    def __init__(self, text: DecoderText) -> None:
        self.text = text

    @property
    def end_ids(self) -> tuple[int, ...]:
        """Ids that end an answer, besides EOS."""
        return ()

    @abstractmethod
    def parts(self, turns: Sequence[Turn]) -> list[Part]:
        """The prompt of a chat, up to where the assistant begins.

        Raises:
            DataError: turns that cannot be written.
        """

    def completion(self, documents: Sequence[Document], prompt: Sequence[str | Document]) -> list[Part]:
        """A prompt that is written as it is, with documents in front of it in the form of fine-tuning."""
        parts = opening(self.text)
        for number, document in enumerate(documents):
            parts += [SEPARATOR + DOCUMENT if number else DOCUMENT, document.content]
        return [*parts, *(part.content if isinstance(part, Document) else part for part in prompt)]


class QuestionFormat(ChatFormat):
    """The prompt in which compressors are fine-tuned in front of plain decoders (`data/prompts.py`).

        Document: <vectors>
        Question: {user}
        Answer: {assistant}

    A turn's documents come before its question; system prompts come first. An answer is one line.
    """

    stops = ("\n",)

    def parts(self, turns: Sequence[Turn]) -> list[Part]:
        parts, begun = opening(self.text), False
        for turn in turns:
            said = "".join(part for part in turn.parts if isinstance(part, str)).strip()
            documents = [part for part in turn.parts if isinstance(part, Document)]
            for document in documents:
                parts += [SEPARATOR + DOCUMENT if begun else DOCUMENT, document.content]
                begun = True
            if turn.role == "assistant":
                parts.append(f" {said}")
            elif turn.role == "system":
                parts.append(f"{SEPARATOR}{said}" if begun else said)
            elif said:
                words = asked(said)
                parts.append(words if documents else SEPARATOR + words.lstrip("\n") if begun else words.lstrip("\n"))
            begun = True
        if turns[-1].role != "user" or not any(isinstance(part, str) and part.strip() for part in turns[-1].parts):
            raise DataError("the last message must be the user's, with a text that says what is asked")
        return parts


class TemplateFormat(ChatFormat):
    """The chat template of the decoder's tokenizer, rendered with a mark for each content and cut at the marks.

    What looks like a special token in a message is plain text. Parts of one message are on lines of their own, as
    vLLM joins them.
    """

    def __init__(self, text: DecoderText) -> None:
        super().__init__(text)
        self._end = read_template(text.tokenizer, bos=text.bos).end_of_turn

    @property
    def end_ids(self) -> tuple[int, ...]:
        found: Any = self.text.tokenizer.convert_tokens_to_ids(self._end)
        return (int(found),)

    def parts(self, turns: Sequence[Turn]) -> list[Part]:
        messages = [{"role": turn.role, "content": MARK.format(number)} for number, turn in enumerate(turns)]
        try:
            whole = rendered(self.text.tokenizer, messages)
        except ConfigError as error:
            raise DataError(
                f"the decoder's chat template cannot write these {len(turns)} messages "
                f"({', '.join(turn.role for turn in turns)}): {error.__cause__ or error}"
            ) from error
        pieces = re.split(MARK.format(r"(\d+)"), whole)
        if [int(number) for number in pieces[1::2]] != list(range(len(turns))):
            raise DataError("the decoder's chat template does not write every message once and in order")
        parts: list[Part] = []
        for place, piece in enumerate(pieces):
            if place % 2:
                parts += self._content(turns[int(piece)])
            else:
                segments = template_pieces(piece, self.text.tokenizer)
                parts += [Special(each.text) if each.special else each.text for each in segments]
        bos = opening(self.text)
        return parts if parts[:1] == bos else [*bos, *parts]

    def _content(self, turn: Turn) -> list[Part]:
        parts: list[Part] = []
        for number, part in enumerate(turn.parts):
            parts += ["\n"] * (number > 0) + [part.content if isinstance(part, Document) else part]
        return parts


class PartsFormat(ChatFormat):
    """No format: an engine that writes the template itself gets the messages, and what is counted are their parts."""

    def parts(self, turns: Sequence[Turn]) -> list[Part]:
        return [part.content if isinstance(part, Document) else part for turn in turns for part in turn.parts]


def format_of(text: DecoderText) -> ChatFormat:
    """The format of a decoder: its template where the compressor was trained with it, or else that of fine-tuning."""
    return TemplateFormat(text) if text.chat else QuestionFormat(text)
