"""Continuation samples."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerFast

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.core.segments import Role, Sample, TaskToken
from arc_encoder.data.batching.tokens import token_spans
from arc_encoder.data.records import Document
from arc_encoder.data.synthetic.toy_sources import ToyDocuments
from arc_encoder.data.tasks import Continuation, continuation

PART = 4


def numbers(count: int) -> Document:
    """A document of so many words, all different, with uneven white space."""
    return Document(f"{count} words", "".join(f"w{i}{' ' * (1 + i % 2)}" for i in range(count)))


def parts(sample: Sample) -> tuple[str, str, str]:
    """Prefix, context and target; an absent prefix is empty."""
    roles = [segment.role for segment in sample.segments]
    assert roles in ([Role.PLAIN, Role.CONTEXT, Role.TARGET], [Role.CONTEXT, Role.TARGET])
    texts = [segment.text for segment in sample.segments]
    return tuple([""] * (3 - len(texts)) + texts)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("count", "interleaved", "expected"),
    [
        (2, True, (0, 1, 1)),
        (5, True, (0, 2, 3)),
        (8, True, (0, 4, 4)),
        (9, True, (1, 4, 4)),
        (12, True, (4, 4, 4)),
        (40, True, (4, 4, 4)),
        (2, False, (0, 1, 1)),
        (7, False, (0, 3, 4)),
        (8, False, (0, 4, 4)),
        (40, False, (0, 4, 4)),
    ],
)
def test_sizes_of_prefix_context_and_target(
    words: PreTrainedTokenizerFast, count: int, interleaved: bool, expected: tuple[int, int, int]
) -> None:
    document = numbers(count)
    task = Continuation([document], part=PART, interleaved=interleaved)
    for index in range(20):
        pieces = parts(task.sample(index, 0, words))
        assert tuple(len(piece.split()) for piece in pieces) == expected
        assert "".join(pieces) in document.text
        if count <= (3 if interleaved else 2) * PART:
            assert "".join(pieces) == document.text


@pytest.mark.parametrize(
    ("count", "interleaved", "expected"),
    [
        (2, False, (0, 1, 1)),
        (5, False, (0, 4, 1)),
        (40, False, (0, 8, 2)),
        (12, True, (2, 8, 2)),
        (40, True, (8, 8, 2)),
    ],
)
def test_a_continuation_may_be_shorter_than_what_is_compressed(
    words: PreTrainedTokenizerFast, count: int, interleaved: bool, expected: tuple[int, int, int]
) -> None:
    task = Continuation([numbers(count)], part=8, continued=2, interleaved=interleaved)
    assert tuple(len(piece.split()) for piece in parts(task.sample(0, 0, words))) == expected


@pytest.mark.parametrize("interleaved", [True, False])
def test_windows_start_anywhere_in_a_long_document(words: PreTrainedTokenizerFast, interleaved: bool) -> None:
    task = Continuation([numbers(16)], part=PART, interleaved=interleaved)
    window = (3 if interleaved else 2) * PART
    starts = {"".join(parts(task.sample(index, 0, words))).split()[0] for index in range(150)}
    assert starts == {f"w{i}" for i in range(16 - window + 1)}


@pytest.mark.parametrize("tokenizer", ["bpe", "letters"], indirect=True)
@pytest.mark.parametrize("interleaved", [True, False])
def test_toy_documents_keep_to_the_budgets(tokenizer: PreTrainedTokenizerFast, interleaved: bool) -> None:
    source = ToyDocuments(size=60)
    texts = {source[i].id: source[i].text for i in range(60)}
    task = Continuation(source, part=16, interleaved=interleaved)
    full = 0
    for index in range(60):
        sample = task.sample(index, 0, tokenizer)
        prefix, context, target = parts(sample)
        whole = texts[sample.id]
        assert prefix + context + target in whole
        sizes = [len(tokenizer(piece, add_special_tokens=False)["input_ids"]) for piece in (prefix, context, target)]
        assert max(sizes) <= 16
        long = len(token_spans(whole, tokenizer)) >= (48 if interleaved else 32)
        if long:
            assert sizes == [16 if interleaved else 0, 16, 16]
        full += long
    assert full > 30


def test_the_sample_names_its_task_and_document(words: PreTrainedTokenizerFast) -> None:
    sample = Continuation([numbers(5)]).sample(0, 0, words)
    assert (sample.id, sample.task_token, sample.end_of_text) == ("5 words", TaskToken.CONTINUE, False)


def test_samples_depend_on_index_and_seed_alone(bpe: PreTrainedTokenizerFast) -> None:
    first, second = (Continuation(ToyDocuments(size=30), part=8) for _ in range(2))
    forwards = [first.sample(index, 1, bpe) for index in range(40)]
    assert forwards == [second.sample(index, 1, bpe) for index in reversed(range(40))][::-1]
    assert forwards != [first.sample(index, 2, bpe) for index in range(40)]


@pytest.mark.parametrize(
    ("tokenizer", "text"),
    [("words", "one"), ("words", "   "), ("words", ""), ("bpe", "😀")],  # the last one is four tokens of one character
    indirect=["tokenizer"],
)
def test_a_document_without_two_parts_is_named(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    with pytest.raises(DataError, match=r"from 'tiny' on, have fewer than two tokens: too short.*leave them out"):
        Continuation([Document("tiny", text)]).sample(0, 0, tokenizer)


def test_a_short_document_gives_its_place_to_the_next(words: PreTrainedTokenizerFast) -> None:
    source = [Document("short", "one"), Document("empty", ""), Document("long", "one two three")]
    names = [Continuation(source).sample(index, 0, words).id for index in range(6)]
    assert names == ["long"] * 6


def test_of_a_book_only_a_part_is_tokenized(words: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []
    monkeypatch.setattr(
        continuation, "token_spans", lambda text, tokenizer: lengths.append(len(text)) or token_spans(text, tokenizer)
    )
    book = Document("book", " ".join(f"word{i}" for i in range(300_000)))
    task = Continuation([book], part=8)
    starts = set()
    for index in range(30):
        sample = task.sample(index, 0, words)
        text = "".join(segment.text for segment in sample.segments)
        assert text in book.text
        assert len(text.split()) == 24
        starts.add(book.text.index(text) * 10 // len(book.text))
    assert max(lengths) <= 4 * 32 * 24
    assert len(starts) > 6  # from all over the book


def test_characters_of_several_tokens_are_never_split(bpe: PreTrainedTokenizerFast) -> None:
    document = Document("faces", "😀😃😄 😁😆😅 🤣😂🙂" * 3)
    task = Continuation([document], part=8)
    for index in range(50):
        prefix, context, target = parts(task.sample(index, 0, bpe))
        assert prefix + context + target in document.text
        assert context
        assert target


def test_part_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="part=0"):
        Continuation([numbers(5)], part=0)
