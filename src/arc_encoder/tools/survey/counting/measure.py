"""How long texts are: in the encoder's tokens, in each decoder's, and in vectors once they are compressed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from arc_encoder.data.batching.collator import ArcCollator, DecoderText
from arc_encoder.data.batching.tokens import token_ids


@dataclass(frozen=True)
class Measure:
    """The tokenizers and limits of a training.

    Attributes:
        encoder: the encoder's tokenizer.
        decoders: how text is tokenized for each decoder.
        vectors: encoder tokens of a context → compressed vectors, task token not counted.
        budget: most encoder tokens of a context (size of a chunk × number of chunks).
        windows: positions that each decoder was made for; None if it does not say.
        task_tokens: whether each decoder gets a task token after a context.
    """

    encoder: PreTrainedTokenizerBase
    decoders: Mapping[str, DecoderText]
    vectors: Callable[[int], int]
    budget: int
    windows: Mapping[str, int | None]
    task_tokens: Mapping[str, bool]

    def encoder_tokens(self, texts: Sequence[str]) -> list[int]:
        """Encoder tokens of each text, as a context."""
        return [len(ids) for ids in token_ids(texts, self.encoder)]

    def decoder_tokens(self, texts: Sequence[str], decoder: str) -> list[int]:
        """Tokens of each text for one decoder, without special tokens."""
        if not texts:
            return []
        found = self.decoders[decoder].tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)
        return [len(ids) for ids in found["input_ids"]]

    def positions(self, tokens: int, decoder: str) -> int:
        """Decoder positions that a context of so many encoder tokens takes, task token counted."""
        return self.vectors(tokens) + int(self.task_tokens[decoder])

    def collator(self) -> ArcCollator:
        """What turns samples into batches."""
        return ArcCollator(self.encoder, self.decoders)
