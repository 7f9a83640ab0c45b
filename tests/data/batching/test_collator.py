"""Text becomes ids: places, lengths and loss of every token."""

from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.core.segments import Role, Sample, Segment, TaskToken
from arc_encoder.data.batching.collator import ArcCollator, DecoderText
from arc_encoder.data.prompts import few_shot_segments
from arc_encoder.data.records import Question

ROLES = {"c": Role.CONTEXT, "p": Role.PLAIN, "t": Role.TARGET}


def sample(*parts: str, name: str = "s", end: bool = False, token: TaskToken = TaskToken.CONTINUE) -> Sample:
    """A sample of parts such as "c:one two" (context), "p:text" (plain) and "t:text" (target)."""
    return Sample(name, tuple(Segment(part[2:], ROLES[part[0]]) for part in parts), token, end)


@pytest.fixture
def collator(
    words: PreTrainedTokenizerFast, letters: PreTrainedTokenizerFast, bpe: PreTrainedTokenizerFast
) -> ArcCollator:
    """Contexts by word; decoder text by character with and without BOS, or by byte pairs."""
    decoders = {"letters": DecoderText(letters), "bare": DecoderText(letters, bos=False), "bpe": DecoderText(bpe)}
    return ArcCollator(words, decoders)


def texts(batch: ArcBatch, collator: ArcCollator) -> list[str]:
    """Each sample's text, every special token as a sign: ^ is BOS and $ is EOS."""
    tokenizer = collator.decoders[batch.decoder].tokenizer
    signs = {tokenizer.bos_token_id: "^", tokenizer.eos_token_id: "$"}
    rows = zip(batch.text_ids.tolist(), batch.text_lengths.tolist(), strict=True)
    return ["".join(signs.get(i) or tokenizer.decode([i]) for i in row[:length]) for row, length in rows]


def targets(batch: ArcBatch, collator: ArcCollator) -> list[str]:
    """Each sample's text with a dot for every token outside the loss."""
    rows = zip(texts(batch, collator), batch.target_mask.tolist(), strict=True)
    return ["".join(c if mask[i] else "." for i, c in enumerate(text)) for text, mask in rows]


def context_words(batch: ArcBatch, collator: ArcCollator) -> list[str]:
    rows = zip(batch.context_ids, batch.context_lengths.tolist(), strict=True)
    return [collator.encoder_tokenizer.decode(row[:length]) for row, length in rows]


FULL = sample("p:ab", "c:one two three", "p:c", "c:four", "c:five six", "t:de", end=True)


@pytest.mark.parametrize(
    ("decoder", "text", "target", "positions"),
    [("letters", "^abcde$", "....de$", [3, 4, 4]), ("bare", "abcde$", "...de$", [2, 3, 3])],
)
def test_every_token_is_in_its_place(
    collator: ArcCollator, decoder: str, text: str, target: str, positions: list[int]
) -> None:
    batch = collator([FULL], decoder=decoder, task="few_shot")
    assert texts(batch, collator) == [text]
    assert targets(batch, collator) == [target]
    assert batch.context_positions.tolist() == positions  # adjacent contexts are at the same place
    assert batch.context_rows.tolist() == [0, 0, 0]
    assert context_words(batch, collator) == ["one two three", "four", "five six"]


def test_samples_of_different_lengths_are_padded_on_the_right(collator: ArcCollator) -> None:
    short = sample("c:seven", "t:x", name="short")
    batch = collator([short, FULL, sample("p:no context", "t:y", name="plain")], decoder="letters", task="few_shot")
    assert texts(batch, collator) == ["^x", "^abcde$", "^no contexty"]
    assert targets(batch, collator) == [".x", "....de$", "...........y"]
    assert batch.text_ids.shape == batch.target_mask.shape == (3, 12)
    assert batch.text_lengths.tolist() == [2, 7, 12]
    assert not batch.target_mask[torch.arange(12) >= batch.text_lengths[:, None]].any()
    assert batch.context_ids.shape == (4, 3)
    assert batch.context_lengths.tolist() == [1, 3, 1, 2]
    assert batch.context_rows.tolist() == [0, 1, 1, 1]
    assert batch.context_positions.tolist() == [1, 3, 4, 4]
    assert context_words(batch, collator) == ["seven", "one two three", "four", "five six"]


def test_the_batch_carries_names_and_counts(collator: ArcCollator) -> None:
    samples = [sample("c:one", "t:x", name=name, token=TaskToken.RECONSTRUCT) for name in ("first", "second")]
    batch = collator(samples, decoder="letters", task="reconstruction")
    assert (batch.task, batch.decoder, batch.task_token) == ("reconstruction", "letters", TaskToken.RECONSTRUCT)
    assert batch.sample_ids == ("first", "second")
    assert batch.factor is None
    assert collator(samples, decoder="letters", task="reconstruction", factor=8).factor == 8
    assert (batch.target_tokens, batch.encoder_tokens, batch.tokens) == (2, 2, 6)


@pytest.mark.parametrize(("end", "expected"), [(True, "^ab$"), (False, "^ab")])
def test_eos_closes_only_samples_that_end(collator: ArcCollator, end: bool, expected: str) -> None:
    batch = collator([sample("p:a", "c:one", "t:b", end=end)], decoder="letters", task="x")
    assert texts(batch, collator) == [expected]


def test_special_tokens_come_once_although_the_tokenizer_adds_them(
    collator: ArcCollator, bpe: PreTrainedTokenizerFast
) -> None:
    assert bpe("plain call")["input_ids"][0] == bpe.bos_token_id
    batch = collator([sample("p:in a", "c:one", "p:of a", "t:to a", end=True)] * 2, decoder="bpe", task="x")
    for row in batch.text_ids.tolist():
        assert row[0] == bpe.bos_token_id
        assert row[-1] == bpe.eos_token_id
        assert not {bpe.bos_token_id, bpe.eos_token_id} & set(row[1:-1])


def test_contexts_get_no_special_token(letters: PreTrainedTokenizerFast, bpe: PreTrainedTokenizerFast) -> None:
    batch = ArcCollator(bpe, {"d": DecoderText(letters)})([sample("c:in a", "t:x")], decoder="d", task="x")
    assert batch.context_ids.tolist() == [bpe("in a", add_special_tokens=False)["input_ids"]]
    assert bpe.bos_token_id not in batch.context_ids


def test_segments_are_tokenized_one_by_one(collator: ArcCollator, bpe: PreTrainedTokenizerFast) -> None:
    batch = collator([sample("p:liv", "t:es in")], decoder="bpe", task="x")
    pieces = [bpe(text, add_special_tokens=False)["input_ids"] for text in ("liv", "es in")]
    assert batch.text_ids.tolist() == [[bpe.bos_token_id, *pieces[0], *pieces[1]]]
    assert batch.target_mask.tolist() == [[False] * (1 + len(pieces[0])) + [True] * len(pieces[1])]


def test_each_decoder_reads_its_own_ids_and_the_same_contexts(collator: ArcCollator) -> None:
    one, other = (collator([FULL], decoder=name, task="x") for name in ("letters", "bpe"))
    assert one.text_ids.tolist() != other.text_ids.tolist()
    assert texts(one, collator) == texts(other, collator)
    assert one.context_ids.tolist() == other.context_ids.tolist()


def test_a_sample_may_begin_and_end_with_a_context(collator: ArcCollator) -> None:
    batch = collator([sample("c:one", "p:ab", "c:two")], decoder="letters", task="x")
    assert batch.context_positions.tolist() == [1, 3]
    assert batch.target_tokens == 0


def test_a_batch_may_have_no_context(collator: ArcCollator) -> None:
    batch = collator([sample("p:a", "t:b")], decoder="letters", task="x")
    assert batch.context_ids.shape == (0, 0)
    assert batch.context_rows.tolist() == batch.context_positions.tolist() == batch.context_lengths.tolist() == []
    assert texts(batch, collator) == ["^ab"]


@pytest.mark.parametrize("tricky", ["Question: one\nAnswer: two\n\nDocument: three", "^ $ [INST]", "Answer:"])
def test_a_document_with_words_of_the_prompt_is_untouched(letters: PreTrainedTokenizerFast, tricky: str) -> None:
    collator = ArcCollator(letters, {"letters": DecoderText(letters)})
    one, two = (Question(n, f"q{n}?", (f"a{n}",), (), "set") for n in "12")
    segments = [*few_shot_segments([(one, tricky)], (two, tricky)), Segment(" a2", Role.TARGET)]
    batch = collator([Sample("s", tuple(segments), end_of_text=True)], decoder="letters", task="few_shot")
    prompt = "^Document: \nQuestion: q1?\nAnswer: a1\n\nDocument: \nQuestion: q2?\nAnswer: a2$"
    assert texts(batch, collator) == [prompt]
    assert targets(batch, collator)[0].strip(".") == " a2$"
    assert [letters.convert_ids_to_tokens(row.tolist()) for row in batch.context_ids] == [list(tricky)] * 2
    assert batch.context_positions.tolist() == [prompt.find("\nQuestion"), prompt.rfind("\nQuestion")]


@pytest.mark.parametrize("empty", ["", "   ", "\n"])
def test_an_empty_document_is_named(collator: ArcCollator, empty: str) -> None:
    samples = [sample("c:one", "t:x"), sample("c:one", f"c:{empty}", "t:x", name="hollow")]
    with pytest.raises(DataError, match="sample 'hollow' has an empty document"):
        collator(samples, decoder="letters", task="x")


def test_a_batch_holds_one_task(collator: ArcCollator) -> None:
    samples = [sample("c:one", "t:x", token=token) for token in TaskToken]
    with pytest.raises(DataError, match=r"one task.*'continue', 'reconstruct'"):
        collator(samples, decoder="letters", task="x")


def test_an_unknown_decoder_is_refused(collator: ArcCollator) -> None:
    with pytest.raises(ConfigError, match="decoder 'llama' is not loaded; loaded: letters, bare, bpe"):
        collator([FULL], decoder="llama", task="x")


def test_a_special_token_written_in_a_document_is_plain_text(bpe: PreTrainedTokenizerFast) -> None:
    collator = ArcCollator(bpe, {"bpe": DecoderText(bpe)})
    written = f"one {bpe.eos_token} two"
    batch = collator([sample(f"c:{written}", "t:x")], decoder="bpe", task="t")
    ids = batch.context_ids[0].tolist()
    assert bpe.eos_token_id not in ids
    assert bpe.decode(ids) == written


@pytest.mark.parametrize("role", ["p", "t"])
def test_a_special_token_written_in_a_decoders_text_is_plain_text(bpe: PreTrainedTokenizerFast, role: str) -> None:
    collator = ArcCollator(bpe, {"bpe": DecoderText(bpe)})
    written = f"one {bpe.eos_token} two"
    batch = collator([sample("c:x", f"{role}:{written}", "t:x")], decoder="bpe", task="t")
    ids = batch.text_ids[0, : int(batch.text_lengths[0])].tolist()
    assert bpe.eos_token_id not in ids
    assert written in bpe.decode(ids)
