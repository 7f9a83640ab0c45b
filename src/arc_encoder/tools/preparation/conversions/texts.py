"""Plain texts, paraphrases and translations."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from arc_encoder.core.errors import at_least
from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, pick, question


class Flores(Conversion):
    """FLORES: translations of a sentence into several languages, one record each.

    Args:
        source: code of the language to translate from, such as eng_Latn.
        targets: name of each language to translate into, by code.
        request: the question; {language} becomes the name.
    """

    def __init__(
        self,
        targets: Mapping[str, str],
        source: str = "eng_Latn",
        request: str = "Translate the previous document into {language}.",
    ) -> None:
        self.targets, self.source, self.request = dict(targets), source, request

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        passage = pick(row, f"sentence_{self.source}", self.source)
        for code, language in self.targets.items():
            answer = pick(row, f"sentence_{code}", code)
            yield question(self.request.format(language=language), answer, [passage])


class Paraphrases(Conversion):
    """ParaSCI: pairs of sentences, both longer than `min_characters`.

    Args:
        first: names that the first sentence's field may have.
        second: names that the second sentence's field may have.
        request: the question.
        min_characters: pairs with a sentence of so many characters or fewer are left out.
    """

    def __init__(
        self,
        first: Sequence[str] = ("sentence1", "source", "src"),
        second: Sequence[str] = ("sentence2", "target", "tgt"),
        request: str = "Paraphrase the previous text.",
        min_characters: int = 100,
    ) -> None:
        self.first, self.second = tuple(first), tuple(second)
        self.request, self.min_characters = request, min_characters

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        first, second = str(pick(row, *self.first)).strip(), str(pick(row, *self.second)).strip()
        if min(len(first), len(second)) <= self.min_characters:
            yield LeftOut(f"a sentence of {self.min_characters} characters or fewer")
        else:
            yield question(self.request, second, [first])


class PlainText(Conversion):
    """Text to pretrain on, or passages to search.

    Args:
        text: names that the text's field may have.
        title: field of a title that goes in a line above the text; null for none.
        min_characters: shorter texts are left out.
        score: field of a quality score; null for none.
        min_score: texts below this score are left out.
        piece_words: cut texts at line breaks into pieces of at most so many words (of more where a single line has
            more); what is left at the end goes with the piece before it if it has less than half of that. Each piece
            names its text's digest in `document`. None leaves texts whole.
    """

    def __init__(
        self,
        text: Sequence[str] = ("text", "content"),
        title: str | None = None,
        min_characters: int = 1,
        score: str | None = None,
        min_score: float = 0.0,
        piece_words: int | None = None,
    ) -> None:
        at_least(1, "", ", or null", piece_words=piece_words)
        self.text, self.title, self.min_characters = tuple(text), title, min_characters
        self.score, self.min_score, self.piece_words = score, min_score, piece_words

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        if self.score is not None and float(pick(row, self.score)) < self.min_score:
            yield LeftOut(f"{self.score} below {self.min_score:g}")
            return
        text = str(pick(row, *self.text)).strip()
        if len(text) < max(1, self.min_characters):
            yield LeftOut("empty text" if not text else f"text of fewer than {self.min_characters} characters")
            return
        text = f"{pick(row, self.title)}\n{text}" if self.title else text
        if self.piece_words is None:
            yield {"text": text}
            return
        document = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
        for piece in pieces(text, self.piece_words):
            yield {"text": piece, "document": document}


def pieces(text: str, words: int) -> list[str]:
    """A text cut at line breaks, see `PlainText`."""
    found: list[list[str]] = []
    size = 0
    for line in text.splitlines():
        count = len(line.split())
        if not found or (size and size + count > words):
            found.append([])
            size = 0
        found[-1].append(line)
        size += count
    if len(found) > 1 and 2 * size < words:
        last = found.pop()
        found[-1] += last
    return [piece for lines in found if (piece := "\n".join(lines).strip())]
