"""What encoder and decoder know in common: tokens that stand for the same text, and their embeddings.

Shape legend: N tokens that both know, V tokens of the encoder, D encoder width, E decoder width.

Tokenizers mark a space before a word in several ways, so tokens are compared by the text that they stand for in
the middle of a text.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import ConfigError

ANCHOR = "a"  # a text before each token, so that its leading space is kept


class SharedVocabulary:
    """Tokens of an encoder and a decoder that stand for the same text.

    Raises:
        ConfigError: there is no such token.
    """

    def __init__(
        self,
        encoder: tuple[nn.Module, PreTrainedTokenizerBase],
        decoder: tuple[nn.Module, PreTrainedTokenizerBase],
        name: str,
    ) -> None:
        self._encoder, self._decoder = encoder[0], decoder[0]
        self._tokenizer = decoder[1]
        self._mine = token_texts(encoder[1], rows_of(encoder[0]))
        self._theirs = token_texts(decoder[1], rows_of(decoder[0]))
        self._common = [text for text in self._mine if text in self._theirs]
        if not self._common:
            raise ConfigError(
                f"the encoder's tokenizer and that of decoder {name!r} have no token in common, so nothing tells how the one's "
                "embeddings become the other's; choose no start"
            )

    @cached_property
    def encoder(self) -> Tensor:
        """The encoder's embeddings (N, D) of the common tokens."""
        return embeddings(self._encoder, [self._mine[text] for text in self._common])

    @cached_property
    def decoder(self) -> Tensor:
        """The decoder's embeddings (N, E) of the common tokens."""
        return embeddings(self._decoder, [self._theirs[text] for text in self._common])

    @cached_property
    def decoder_for_each(self) -> Tensor:
        """For each of the encoder's tokens the mean of the decoder's embeddings of its text (V, E).

        Zeros for tokens without a text of their own: special tokens, and parts of characters.
        """
        table = torch.zeros(rows_of(self._encoder), self.decoder.shape[1])
        table[[self._mine[text] for text in self._common]] = self.decoder
        rest = [text for text in self._mine if text not in self._theirs]
        if rest:
            anchor = len(self._tokenizer(ANCHOR, add_special_tokens=False)["input_ids"])
            found = self._tokenizer([ANCHOR + text for text in rest], add_special_tokens=False)["input_ids"]
            for text, ids in zip(rest, found, strict=True):
                if len(ids) > anchor:  # otherwise it became one token with the anchor
                    table[self._mine[text]] = embeddings(self._decoder, ids[anchor:]).mean(0)
        return table


def token_texts(tokenizer: PreTrainedTokenizerBase, rows: int) -> dict[str, int]:
    """The text of each ordinary token, in the middle of a text, with its id; of several ids of one text the first."""
    anchor: list[int] = tokenizer(ANCHOR, add_special_tokens=False)["input_ids"]
    special = set(tokenizer.all_special_ids)
    ids = [number for number in sorted(tokenizer.get_vocab().values()) if number < rows and number not in special]
    texts: list[str] = tokenizer.batch_decode([[*anchor, number] for number in ids], clean_up_tokenization_spaces=False)
    before = str(tokenizer.decode(anchor, clean_up_tokenization_spaces=False))
    found: dict[str, int] = {}
    for number, text in zip(ids, texts, strict=True):
        rest = text.removeprefix(before)
        if rest and "�" not in rest:  # a part of a character says nothing by itself
            found.setdefault(rest, number)
    return found


def rows_of(module: nn.Module) -> int:
    """Tokens that an embedding module knows."""
    return int(module.get_parameter("weight").shape[0])


@torch.no_grad()
def embeddings(module: nn.Module, ids: list[int]) -> Tensor:
    """Embeddings (N, width) as the model uses them: some scale them inside the module."""
    found: Tensor = module(torch.tensor(ids, device=module.get_parameter("weight").device))
    return found.float().cpu()
