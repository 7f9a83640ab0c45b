"""Answers: the same in every way of asking, whatever else is asked; stopped, drawn, piece by piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from arc_encoder.core.errors import CheckpointError, ConfigError, DataError
from arc_encoder.inference import Compressor, Context
from arc_encoder.inference.generation.prompts import Prompt

TEXT = "a document of some length, which is read"
QUESTIONS = ["what?", "who is it that reads, and where?", "why", "when is it?", "how long is this document"]


def prompt(document: Any, question: str) -> Prompt:
    return ["Document: ", document, f"\nQuestion: {question}\nAnswer:"]


def test_text_and_vectors_mix_in_one_prompt(compressor: Compressor) -> None:
    kept = compressor.encode([TEXT, "another"])
    new: Prompt = ["a ", Context(TEXT), " b ", Context("another"), " c"]
    expected = compressor.generate([new], max_new_tokens=12)
    assert compressor.generate([["a ", kept[0], " b ", Context("another"), " c"]], max_new_tokens=12) == expected
    assert compressor.generate([["a ", kept[0], " b ", kept[1], " c"]], max_new_tokens=12) == expected
    store = dict(zip(["first", "ü/second"], kept, strict=True))
    looked_up: Prompt = ["a ", Context("first", store), " b ", Context("ü/second", store), " c"]
    assert compressor.generate([looked_up], max_new_tokens=12) == expected
    mixed: Prompt = ["a ", Context(kept[0]), " b ", Context("ü/second", store), " c"]
    assert compressor.generate([mixed], max_new_tokens=12) == expected
    assert compressor.generate([["a ", kept[1], " b ", kept[0], " c"]], max_new_tokens=12) != expected


@pytest.mark.parametrize(
    ("context", "told"),
    [
        (lambda kept: Context(7), "holds int"),
        (lambda kept: Context(kept, {}), "vectors and a store"),
        (lambda kept: Context(""), "empty document"),
    ],
)
def test_contexts_that_cannot_be_read_are_named(compressor: Compressor, context: Any, told: str) -> None:
    (kept,) = compressor.encode([TEXT])
    with pytest.raises(DataError, match=f"prompt number 0.*{told}"):
        compressor.generate([["a", context(kept)]])


def test_only_one_prompt_is_streamed(compressor: Compressor) -> None:
    with pytest.raises(ConfigError, match="one prompt, but 2"):
        compressor.generate(["a", "b"], stream=True)


def test_texts_that_are_too_short_to_gain_anything_are_told(compressor: Compressor) -> None:
    with pytest.warns(UserWarning, match="1 of 2 texts are too short .* 1 tokens, 2 positions"):
        compressor.encode(["x", TEXT], factor=4)


def test_a_batch_gives_what_each_gives_alone(compressor: Compressor) -> None:
    prompts: list[Prompt] = [
        prompt(Context(TEXT), QUESTIONS[0]),
        "no document at all",
        prompt(Context("x"), QUESTIONS[1]),
    ]
    together = compressor.generate(prompts, max_new_tokens=12)
    assert together == [compressor.generate([each], max_new_tokens=12)[0] for each in prompts]


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_many_questions_after_one_beginning(compressor: Compressor, batch_size: int) -> None:
    one_by_one = [
        compressor.generate([prompt(Context(TEXT), each)], max_new_tokens=12, factor=2)[0] for each in QUESTIONS
    ]
    assert len(set(one_by_one)) > 1
    for document in (TEXT, Context(TEXT)):
        asked = compressor.ask(document, QUESTIONS, max_new_tokens=12, factor=2, stop=None, batch_size=batch_size)
        assert asked == one_by_one
    (kept,) = compressor.encode([TEXT], factor=2)
    assert compressor.ask(kept, QUESTIONS, max_new_tokens=12, stop=None, batch_size=batch_size) == one_by_one


def test_the_beginning_is_read_once(compressor: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compressor.decoder is not None
    reads: list[int] = []
    read = type(compressor.decoder).read_prefix

    def counting(self: Any, embeddings: Any) -> Any:
        reads.append(embeddings.shape[1])
        return read(self, embeddings)

    monkeypatch.setattr(type(compressor.decoder), "read_prefix", counting)
    compressor.ask(TEXT, QUESTIONS, batch_size=2, max_new_tokens=2)
    (kept,) = compressor.encode([TEXT])
    assert reads == [1 + len("Document: ") + len(kept)]  # BOS, text, vectors


def test_an_answer_ends_before_the_first_stop(compressor: Compressor) -> None:
    (whole,) = compressor.generate(["some text"], max_new_tokens=24)
    assert len(whole) > 3
    first, second = whole[2], whole[1]
    (cut,) = compressor.generate(["some text"], max_new_tokens=24, stop=[first, second])
    assert cut == whole[: min(whole.index(first), whole.index(second))]


def test_pieces_are_the_answer(compressor: Compressor) -> None:
    asked = prompt(Context(TEXT), QUESTIONS[1])
    (whole,) = compressor.generate([asked], max_new_tokens=24)
    assert "".join(compressor.generate([asked], stream=True, max_new_tokens=24)) == whole
    stop = whole[3:5]
    (cut,) = compressor.generate([asked], max_new_tokens=24, stop=stop)
    assert "".join(compressor.generate([asked], stream=True, max_new_tokens=24, stop=stop)) == cut


def test_what_fails_while_pieces_are_made_is_raised(compressor: Compressor) -> None:
    with pytest.raises(DataError, match="does not fit"):
        list(compressor.generate(["x" * 500], stream=True, max_new_tokens=100))


def test_draws_hang_on_the_seed_alone(compressor: Compressor) -> None:
    one, two = prompt(Context(TEXT), QUESTIONS[0]), prompt(Context(TEXT), QUESTIONS[1])
    options: dict[str, Any] = {"temperature": 2.0, "max_new_tokens": 16}
    drawn = compressor.generate([one, two, one], seed=1, **options)
    assert drawn[0] != drawn[2]  # the second draw for the same prompt
    assert compressor.generate([two], seed=1, **options) == drawn[1:2]
    assert compressor.generate([one], seed=1, **options) == drawn[:1]
    assert compressor.generate([one], seed=2, **options) != drawn[:1]
    assert "".join(compressor.generate([one], stream=True, seed=1, **options)) == drawn[0]
    greedy = compressor.generate([one], max_new_tokens=16)
    assert compressor.generate([one], temperature=2.0, top_p=1e-6, max_new_tokens=16) == greedy


@pytest.mark.parametrize(
    ("prompts", "settings", "told"),
    [
        ("text", {}, "expected a list of prompts, but got str"),
        ([3], {}, "prompt number 0 is int"),
        ([["a", 3]], {}, "prompt number 0 holds int"),
        (["a", ""], {}, "prompt number 1 is empty"),
        ([[]], {}, "prompt number 0 is empty"),
        ([["a", Context("")]], {}, "prompt number 0 has an empty document"),
        (["\udcff"], {}, "prompt number 0 is not valid Unicode"),
        (["a"], {"max_new_tokens": 0}, "max_new_tokens=0"),
        (["a"], {"batch_size": 0}, "batch_size=0"),
        (["a"], {"temperature": -1.0}, "temperature=-1.0"),
        (["a"], {"top_p": 0.0}, "top_p=0.0"),
        (["a"], {"seed": 0.5}, "seed=0.5"),
        (["a"], {"stop": [""]}, "stop="),
        (["a"], {"stop": 5}, "stop=5"),
        (["a"], {"temperature": "0.5"}, "temperature='0.5'"),
        (["a"], {"temperature": float("nan")}, "temperature=nan"),
        ([["a", Context("b")]], {"max_vectors": "5"}, "max_vectors='5'"),
    ],
)
def test_bad_input_is_named(compressor: Compressor, prompts: Any, settings: dict[str, Any], told: str) -> None:
    with pytest.raises((DataError, ConfigError), match=told):
        compressor.generate(prompts, **settings)


def test_bad_questions_are_named(compressor: Compressor) -> None:
    with pytest.raises(DataError, match="question number 1 is blank"):
        compressor.ask(TEXT, ["what?", " "])
    with pytest.raises(DataError, match="expected a list of questions"):
        compressor.ask(TEXT, "what?")


def test_without_a_decoder_nothing_is_generated(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="needs a decoder"):
        Compressor.from_pretrained(folder).generate(["a"])


def test_a_stream_that_is_left_stops_generating(compressor: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    before = threading.active_count()
    pieces = compressor.generate(["some text"], stream=True, max_new_tokens=400)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_pieces_end_where_an_answer_ends(compressor: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also at ids that the tokenizer does not call special."""
    assert compressor.decoder is not None
    (whole,) = compressor.generate(["some text"], max_new_tokens=24)
    end = next(letter for letter in whole[1:] if letter.isascii())
    ends = compressor.decoder.token_ids(end)
    texts = compressor.decoder.texts
    monkeypatch.setattr(compressor.decoder, "texts", lambda ids, end_ids=(): texts(ids, [*end_ids, *ends]))
    assert compressor.generate(["some text"], max_new_tokens=24)[0] == whole[: whole.index(end)]
    assert "".join(compressor.generate(["some text"], stream=True, max_new_tokens=24)) == whole[: whole.index(end)]


def test_decoders_that_count_slots_are_asked_plainly(compressor: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compressor.decoder is not None
    monkeypatch.setattr(compressor.decoder.model.config, "sliding_window", 8, raising=False)
    expected = [compressor.generate([prompt(Context(TEXT), each)], max_new_tokens=6)[0] for each in QUESTIONS]
    monkeypatch.setattr(type(compressor.decoder), "read_prefix", lambda *_: pytest.fail("the beginning was read"))
    assert compressor.ask(TEXT, QUESTIONS, max_new_tokens=6, stop=None) == expected


def test_a_budget_counts_what_was_compressed_before(compressor: Compressor) -> None:
    (kept,) = compressor.encode(["x" * 48])  # 13 positions
    compressor.generate([["a", kept]], max_vectors=13, max_new_tokens=2)
    for parts in (["a", kept], ["a", kept, Context("y")]):
        with pytest.raises(DataError, match=r"max_vectors=1[23] is too small"):
            compressor.generate([parts], max_vectors=12 if len(parts) == 2 else 13, max_new_tokens=2)
