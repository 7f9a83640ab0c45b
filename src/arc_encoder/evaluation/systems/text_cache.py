"""What a system made of a document, kept for when the document comes again, as those of examples do."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.segments import Segment

MOST = 50_000  # documents
MOST_CHARACTERS = 100_000_000  # of what is shown of them

Key = tuple[PreTrainedTokenizerBase, int, bytes]


class ShownBefore:
    """A bounded memory; what was not used for longest goes first."""

    def __init__(self) -> None:
        self._shown: OrderedDict[Key, Segment | None] = OrderedDict()
        self._characters = 0

    def of(
        self,
        document: str,
        tokenizer: PreTrainedTokenizerBase,
        budget: int,
        query: str | None,
        make: Callable[[], Segment | None],
    ) -> Segment | None:
        """What is shown of a document: remembered, or made now.

        Args:
            document: the text.
            tokenizer: the decoder's; another one is another case.
            budget: vectors or tokens for it.
            query: the question about it; None if it changes nothing.
            make: makes it.
        """
        words = hashlib.blake2b(document.encode("utf-8", "surrogatepass"), digest_size=20)
        if query is not None:
            words.update(b"\0" + query.encode("utf-8", "surrogatepass"))
        key = (tokenizer, budget, words.digest())
        if key in self._shown:
            self._shown.move_to_end(key)
            return self._shown[key]
        found = self._shown[key] = make()
        self._characters += _length(found)
        while len(self._shown) > MOST or (self._characters > MOST_CHARACTERS and len(self._shown) > 1):
            _, oldest = self._shown.popitem(last=False)
            self._characters -= _length(oldest)
        return found


def _length(shown: Segment | None) -> int:
    return 0 if shown is None else len(shown.text)
