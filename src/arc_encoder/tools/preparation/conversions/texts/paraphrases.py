"""ParaSCI: a sentence and another one of the same meaning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, pick, question


class Paraphrases(Conversion):
    """Pairs of sentences, both longer than `min_characters`.

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
