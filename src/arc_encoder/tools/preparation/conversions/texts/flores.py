"""FLORES: a sentence in one language is the passage, the same in another the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, pick, question


class Flores(Conversion):
    """Translations of a sentence into several languages, one record each.

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
