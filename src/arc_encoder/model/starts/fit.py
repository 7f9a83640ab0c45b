"""Fitting a start: which tokens encoder and decoder have in common, and their embeddings.

Shape legend: N tokens, D encoder width, E decoder width.

Tokenizers mark a space before a word in several ways, so tokens are compared by the text that they stand for in
the middle of a text.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from arc_encoder.errors import ConfigError
from arc_encoder.model.starts.base import Start

ANCHOR = "a"  # a text before each token, so that its leading space is kept


def fit_start(
    start: Start,
    encoder: tuple[nn.Module, PreTrainedTokenizerBase],
    decoder: tuple[nn.Module, PreTrainedTokenizerBase],
    name: str,
) -> None:
    """Fit `start` on the vocabulary that both have.

    Args:
        start: whose weights are set.
        encoder, decoder: input embeddings and tokenizer of each.
        name: of the decoder, for messages.

    Raises:
        ConfigError: fewer common tokens than a map can be fitted on.
    """
    mine, theirs = token_texts(encoder[1], rows_of(encoder[0])), token_texts(decoder[1], rows_of(decoder[0]))
    common = [text for text in mine if text in theirs]
    if not common:
        raise ConfigError(
            f"the encoder's tokenizer and that of decoder {name!r} have no token in common, so nothing tells how the one's "
            "embeddings become the other's; choose model/start=none"
        )
    start.fit(
        embeddings(encoder[0], [mine[text] for text in common]),
        embeddings(decoder[0], [theirs[text] for text in common]),
    )


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
    weight: Tensor = module.weight  # type: ignore[assignment]
    return int(weight.shape[0])


@torch.no_grad()
def embeddings(module: nn.Module, ids: list[int]) -> Tensor:
    """Embeddings (N, width) as the model uses them: some scale them inside the module."""
    weight: Tensor = module.weight  # type: ignore[assignment]
    found: Tensor = module(torch.tensor(ids, device=weight.device))
    return found.float().cpu()
