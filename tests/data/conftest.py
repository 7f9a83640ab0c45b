"""Small tokenizers, made here: byte-level BPE, one token a word, one token a character."""

from __future__ import annotations

import string

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from arc_encoder.data.synthetic.toy_world import ToyWorld
from tools.toy_models.tokenizers import BOS, EOS, PAD, train_tokenizer

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def word_level(vocabulary: list[str], splitter: pre_tokenizers.PreTokenizer) -> PreTrainedTokenizerFast:
    ids = {word: number for number, word in enumerate([PAD, BOS, EOS, "<unk>", *vocabulary])}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = splitter
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD, unk_token="<unk>"
    )


@pytest.fixture(scope="session")
def world() -> ToyWorld:
    return ToyWorld(0)


@pytest.fixture(scope="session")
def bpe(world: ToyWorld) -> PreTrainedTokenizerFast:
    """The toy models' kind of tokenizer; called plainly it adds BOS."""
    return train_tokenizer(world, vocab_size=500, documents=300)


@pytest.fixture(scope="session")
def words() -> PreTrainedTokenizerFast:
    """One token for each word between white space; the white space itself belongs to no token."""
    return word_level(WORDS, pre_tokenizers.WhitespaceSplit())


@pytest.fixture(scope="session")
def letters() -> PreTrainedTokenizerFast:
    """One token for each character."""
    return word_level(list(string.printable), pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated"))


@pytest.fixture
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    """The tokenizer whose name a test gives with `parametrize(..., indirect=True)`."""
    made: PreTrainedTokenizerFast = request.getfixturevalue(request.param)
    return made
