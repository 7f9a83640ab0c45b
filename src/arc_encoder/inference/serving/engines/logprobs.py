"""How likely the tokens of an answer were: the bytes behind each, and which of them belong to the text that is shown."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.convert_slow_tokenizer import bytes_to_unicode

from arc_encoder.inference.serving.engines.base import TokenLogprob

LOWEST = -9999.0  # told instead of minus infinity, which JSON does not have; as vLLM does
BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


# Byte-level tokenizers write each byte as a letter.
LETTERS = {letter: byte for byte, letter in bytes_to_unicode().items()}


class TokenBytes:
    """The bytes that a token stands for: half a character, leading spaces and special tokens too.

    Args:
        tokenizer: of the decoder.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer: Any = tokenizer
        self._added = {int(id) for id in tokenizer.added_tokens_decoder}
        decoder: Any = tokenizer.backend_tokenizer.decoder if tokenizer.is_fast else None
        state = "" if decoder is None else json.dumps(json.loads(decoder.__getstate__()), ensure_ascii=False)
        self._byte_level, self._spaces = '"ByteLevel"' in state, "\u2581" in state

    def __call__(self, id: int) -> bytes:
        """Of one id; nothing for an id that the tokenizer does not know."""
        piece = self.tokenizer.convert_ids_to_tokens(id)
        if piece is None:
            return b""
        if id in self._added:
            return str(piece).encode()
        if self._byte_level and all(letter in LETTERS for letter in piece):
            return bytes(LETTERS[letter] for letter in piece)
        if (byte := BYTE.fullmatch(piece)) is not None:
            return bytes([int(byte[1], 16)])
        if self._spaces:
            return str(piece).replace("\u2581", " ").encode()
        return str(self.tokenizer.decode([id], clean_up_tokenization_spaces=False)).encode()

    def entry(self, id: int, logprob: float, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
        """What is told of a token."""
        found = self(id)
        return TokenLogprob(found.decode("utf-8", errors="replace"), max(LOWEST, logprob), found, top=top)


class HeldTokens:
    """Tokens of one answer that wait until the text that they begin is shown, so that none beyond a stop is told."""

    def __init__(self) -> None:
        self._held: list[TokenLogprob] = []

    def add(self, token: TokenLogprob, before: int, after: int) -> None:
        """One more, with the characters of the answer before it came and after. Half a character begins where that one does."""
        try:
            own = min(len(token.bytes.decode("utf-8")), after - before)
        except UnicodeDecodeError:
            own = after - before
        self._held.append(replace(token, offset=after - own))

    def before(self, characters: int) -> tuple[TokenLogprob, ...]:
        """Those that begin in the first so many characters of the answer."""
        found = tuple(each for each in self._held if each.offset < characters)
        self._held = self._held[len(found) :]
        return found

    def rest(self) -> tuple[TokenLogprob, ...]:
        """All of them."""
        found, self._held = tuple(self._held), []
        return found
