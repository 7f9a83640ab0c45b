"""What is told of single tokens: their bytes, whatever the tokenizer, and their places in the text."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from arc_encoder.inference.serving.engines.base import Delta, Job, TokenLogprob
from arc_encoder.inference.serving.engines.embedded.answer import Answer
from arc_encoder.inference.serving.engines.logprobs import HeldTokens, TokenBytes
from arc_encoder.inference.serving.protocol.shapes import CompletionShape
from tests.inference.serving.test_decoding import around, decoding_of
from tests.tiny_models import tiny_tokenizer


def tokenizer_of(words: list[str], decoder: Any, **options: Any) -> PreTrainedTokenizerFast:
    vocabulary = {word: id for id, word in enumerate(words)}
    inner = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    inner.decoder = decoder
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>", **options)


SENTENCEPIECE = ["<unk>", "</s>", "▁Hello", "▁world", "<0xF0>", "<0x9F>", "<0x8E>", "<0x89>", "s"]


def sentencepiece() -> PreTrainedTokenizerFast:
    """As Llama 2's: spaces are letters, and what has no token is bytes."""
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    return tokenizer_of(SENTENCEPIECE, decoders.Sequence(steps))


def said(tokenizer: PreTrainedTokenizerFast, ids: list[int], **options: Any) -> tuple[str, list[TokenLogprob]]:
    """Text and tokens of an answer of these ids, told piece by piece."""

    def decode(some: list[int]) -> str:
        return str(tokenizer.decode(some, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    answer = Answer(
        Job((), logprobs=1, **options),
        0,
        max_tokens=100,
        end_ids=frozenset([1]),
        decode=decode,
        token_bytes=TokenBytes(tokenizer),
    )
    deltas: list[Delta] = []
    for id in [*ids, 1]:
        delta = answer.add(id, torch.zeros(len(tokenizer)))
        deltas += [] if delta is None else [delta]
        if answer.finish:
            break
    return "".join(each.text for each in deltas), [one for each in deltas for one in each.logprobs]


def test_bytes_of_byte_level_tokens() -> None:
    tokenizer = tiny_tokenizer()
    text = "Straße 🎉\n\t\u2028 a"
    found = TokenBytes(tokenizer)
    assert b"".join(map(found, tokenizer(text, add_special_tokens=False)["input_ids"])) == text.encode()
    assert found(tokenizer.eos_token_id) == b"</s>"
    assert found(len(tokenizer) + 5) == b""


def test_bytes_of_tokens_with_spaces_as_letters() -> None:
    text, tokens = said(sentencepiece(), [2, 3, 4, 5, 6, 7, 8])
    assert text == "Hello world🎉s"
    assert [each.bytes for each in tokens] == [b" Hello", b" world", b"\xf0", b"\x9f", b"\x8e", b"\x89", b"s"]
    assert [each.offset for each in tokens] == [0, 5, 11, 11, 11, 11, 12]


def test_the_first_token_is_told_of_at_once() -> None:
    tokenizer = tiny_tokenizer()
    [half, *rest] = tokenizer("🎉", add_special_tokens=False)["input_ids"]

    def decode(some: list[int]) -> str:
        return str(tokenizer.decode(some))

    answer = Answer(Job(()), 0, max_tokens=100, end_ids=frozenset([1]), decode=decode)
    logits = torch.zeros(len(tokenizer))
    assert answer.add(half, logits) == Delta(0, "")
    told = [answer.add(id, logits) for id in rest]
    assert told[:-1] == [None] * (len(rest) - 1)
    assert told[-1] == Delta(0, "🎉")


def test_tokens_beyond_a_stop_are_not_told() -> None:
    text, tokens = said(sentencepiece(), [2, 3, 4, 5, 6, 7, 8], stops=("d🎉",))
    assert text == "Hello worl"
    assert [each.token for each in tokens] == [" Hello", " world"]
    text, tokens = said(sentencepiece(), [2, 3], stops=("Hello",))
    assert (text, tokens) == ("", [])


def test_a_broken_character_has_a_place() -> None:
    text, tokens = said(sentencepiece(), [4, 8, 8])
    assert text == "\ufffdss"
    assert [each.offset for each in tokens] == [0, 1, 2]


@pytest.mark.parametrize("clean", [False, True])
def test_spaces_are_not_cleaned_up(clean: bool) -> None:
    """A cleaned text would take back what was shown: "Hello ," becomes "Hello,"."""
    words = ["<unk>", "</s>", "Hello", "Ġ,", "Ġworld", "Ġ."]
    tokenizer = tokenizer_of(words, decoders.ByteLevel(), clean_up_tokenization_spaces=clean)
    compressor = around("llama")
    decoding = decoding_of(compressor)
    decoding.decoder.tokenizer = tokenizer
    assert decoding._decode([2, 3, 4, 5]) == "Hello , world ."
    assert decoding.decoder.texts(torch.tensor([[2, 3, 4, 5]])) == ["Hello , world ."]


def test_halves_of_characters_are_told_apart_in_completions() -> None:
    top = tuple(TokenLogprob("\ufffd", -1.0 - byte, bytes([byte])) for byte in (0xC3, 0xE2))
    token = TokenLogprob("\ufffd", -1.0, b"\xc3", top=(*top, TokenLogprob("a", -5, b"a"), TokenLogprob("a", -9, b"a")))
    told = CompletionShape("m", logprobs=True).whole([[Delta(0, "x", "stop", (token,))]], {})["choices"][0]["logprobs"]
    assert told["tokens"] == ["bytes:\\xc3"]
    assert told["top_logprobs"] == [{"bytes:\\xc3": -196.0, "bytes:\\xe2": -227.0, "a": -5}]


def test_held_tokens_come_with_their_text() -> None:
    held = HeldTokens()
    for place, letter in enumerate("abc"):
        held.add(TokenLogprob(letter, -1, letter.encode()), place, place + 1)
    assert [each.token for each in held.before(2)] == ["a", "b"]
    assert held.before(2) == ()
    assert [each.token for each in held.rest()] == ["c"]
