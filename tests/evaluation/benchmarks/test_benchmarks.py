"""Protocols: which examples, which answers, which loss."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.core.segments import Role, Sample, Segment
from arc_encoder.data.batching.collator import ArcCollator, DecoderText
from arc_encoder.data.tasks import Continuation
from arc_encoder.evaluation.benchmarks import ContinuationLoss, QuestionAnswering, QuestionFile
from arc_encoder.evaluation.benchmarks.base import beginning_of
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import Arc, ClosedBook, OpenBook, System, Truncate
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.decoder.load import FrozenDecoder
from tests.evaluation.conftest import Questions
from tests.tiny_models import tiny_language_model, tiny_tokenizer
from tests.training.conftest import Texts

SYSTEMS = [Arc(), Truncate(), OpenBook(), ClosedBook()]


def benchmark(**options: Any) -> QuestionAnswering:
    return QuestionAnswering("colours", **{"source": Questions(12), "shots": 2, "max_new_tokens": 4, **options})


class Listening(System):
    """Passes everything on to a system and keeps the prompts."""

    def __init__(self, system: System) -> None:
        self.system, self.samples = system, []
        self.needs_compressor, self.needs_budget = system.needs_compressor, system.needs_budget

    def present(self, *arguments: Any) -> Any:
        return self.system.present(*arguments)

    def few_shot(self, *arguments: Any) -> Sample:
        self.samples.append((arguments[0], arguments[1]))
        return self.system.few_shot(*arguments)


def test_examples_are_fixed_for_all_systems_and_never_the_query(session: Session) -> None:
    seen = []
    for system in SYSTEMS:
        listening = Listening(system)
        benchmark().run(listening, session)
        seen.append([([q.id for q in examples], query.id) for examples, query in listening.samples])
    assert all(each == seen[0] for each in seen)
    assert [query for _, query in seen[0]] == [q.id for q in benchmark().questions]
    assert len(seen[0]) == 10
    for examples, query in seen[0]:
        assert len(set(examples)) == 2
        assert query not in examples


def test_examples_of_the_same_source_are_never_asked() -> None:
    made = benchmark()
    assert len(made.questions) == 10
    pool = {f"q{i}" for i in range(12)} - {q.id for q in made.questions}
    assert {q.id for number in range(10) for q in made.examples_of(number)} == pool
    limited = benchmark(limit=3)
    drawn = {q.id for number in range(3) for q in limited.examples_of(number)}
    assert [q.id for q in limited.questions] == [q.id for q in made.questions[:3]]
    assert drawn == pool  # the same, however many are asked


def test_examples_of_another_source_leave_all_questions_to_be_asked() -> None:
    made = benchmark(examples=Questions(50, "e"), shots=5, limit=None)
    assert len(made.questions) == 12
    drawn = [[q.id for q in made.examples_of(number)] for number in range(12)]
    assert all(len(set(each)) == 5 and all(name.startswith("e") for name in each) for each in drawn)
    assert len({tuple(each) for each in drawn}) == 12  # fresh ones for each question
    assert drawn == [[q.id for q in benchmark(examples=Questions(50, "e"), shots=5).examples_of(n)] for n in range(12)]
    other = benchmark(examples=Questions(50, "e"), shots=5, seed=1)
    assert drawn != [[q.id for q in other.examples_of(number)] for number in range(12)]


@pytest.mark.parametrize(
    "options",
    [{"shots": 12}, {"shots": 13}, {"examples": Questions(4), "shots": 5}, {"source": Questions(0), "shots": 0}],
)
def test_too_few_questions_for_the_examples(options: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"benchmark colours: .* examples were asked for, but there are only"):
        benchmark(**options)


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigError, match="metric 'em' is unknown"):
        benchmark(metrics=["em"])
    with pytest.raises(ConfigError, match="shots=-1"):
        benchmark(shots=-1)
    with pytest.raises(ConfigError, match=r"the path of a JSONL file"):
        QuestionAnswering("nothing")


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.jsonl.gz"])
def test_questions_of_a_file(tmp_path: Path, session: Session, name: str) -> None:
    records = [{"question": f"Q{i}?", "answers": [f"a{i}"], "passages": [f"p{i}"]} for i in range(5)]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    path = tmp_path / name
    path.write_bytes(gzip.compress(lines.encode()) if name.endswith(".gz") else lines.encode())
    made = QuestionAnswering(source=QuestionFile(str(path)), shots=2, limit=None, max_new_tokens=2)
    assert made.name == name
    asked, drawn = [q.question for q in made.questions], {q.question for q in made.examples_of(0)}
    assert (len(asked), len(drawn)) == (3, 2)
    assert asked == [f"Q{i}?" for i in range(5) if f"Q{i}?" not in drawn]
    assert len(made.run(Arc(), session)) == 3


def test_a_limit_takes_questions_from_all_over_a_file(tmp_path: Path) -> None:
    records = [{"question": f"Q{i}?", "answers": ["a"], "passages": ["p"]} for i in range(40)]
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    made = QuestionAnswering(source=QuestionFile(str(path)), shots=0, limit=4)
    assert [q.question for q in made.questions] == ["Q0?", "Q10?", "Q20?", "Q30?"]
    assert len(QuestionAnswering(source=QuestionFile(str(path)), shots=0, limit=100).questions) == 40


def test_a_missing_file_is_named() -> None:
    with pytest.raises(DataError, match=r"no file matches '/nowhere\.jsonl'"):
        QuestionFile("/nowhere.jsonl")


@pytest.mark.parametrize(
    ("generated", "answer", "score"),
    [
        (" colour q0\n\nDocument: more", "colour q0", 100.0),
        ("\n The colour Q0.\n", "The colour Q0.", 100.0),
        ("\n\nThe colour Q0.", "", 0.0),
        ("colour q0\nand more", "colour q0\nand more", 0.0),
        ("", "", 0.0),
    ],
)
def test_an_answer_ends_at_the_first_blank_line(
    session: Session, monkeypatch: pytest.MonkeyPatch, generated: str, answer: str, score: float
) -> None:
    asked: list[dict[str, Any]] = []

    def generate(model: Any, name: str, take: Any, **options: Any) -> Iterator[tuple[int, str]]:
        asked.append(options)
        yield from enumerate([generated] * len(take([]).sample_ids))

    monkeypatch.setattr("arc_encoder.evaluation.session.answers.generate_all", generate)
    session.factor = 8
    result = benchmark(limit=1, max_new_tokens=7).run(Arc(), session)[0]
    assert asked == [{"max_new_tokens": 7, "factor": 8, "stop": ["\n\n"]}]
    assert result.details == {
        "document": "Passage 0 of q0.",
        "question": "Which colour has q0?",
        "answer": answer,
        "accepted": ["colour q0", "the colour q0"],
    }
    assert result.scores["exact_match"] == score


def test_answers_belong_to_their_questions_whatever_the_order_of_batches(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompts are sorted by length; the prompt's last question comes back as its answer."""

    def generate(model: Any, name: str, take: Any, **_: Any) -> Iterator[tuple[int, str]]:
        batches = iter(lambda: take([]), None)
        ids = [row[:length] for each in batches for row, length in zip(each.text_ids, each.text_lengths, strict=True)]
        texts = enumerate(session.decoder.tokenizer.batch_decode(ids))
        yield from reversed([(place, text.rsplit("has ", 1)[1].split("?")[0]) for place, text in texts])

    class Uneven(Questions):
        def __getitem__(self, index: int) -> Any:
            found = super().__getitem__(index)
            return type(found)(found.id, found.question, (found.id,), ("x" * (1 + 7 * index % 5) * 9,), found.subset)

    monkeypatch.setattr("arc_encoder.evaluation.session.answers.generate_all", generate)
    made = QuestionAnswering("colours", Uneven(12), shots=1, metrics=["exact_match"])
    results = made.run(OpenBook(), session)
    assert [result.id for result in results] == [q.id for q in made.questions]
    assert [result.scores["exact_match"] for result in results] == [100.0] * 11


def test_positions_of_documents_are_counted_as_the_decoder_sees_them(session: Session) -> None:
    document = len("Passage 0 of q0.")  # one token a byte; q10 and q11, the examples, are one longer
    tokens = document + 2 * (document + 1)
    vectors = [-(-length // 4) + 1 for length in (document, document + 1, document + 1)]
    found = {
        type(system).__name__: benchmark(limit=1, source=Only()).run(system, session)[0].document_positions
        for system in SYSTEMS
    }
    assert found == {"Arc": sum(vectors), "Truncate": sum(vectors), "OpenBook": tokens, "ClosedBook": 0}


class Only(Questions):
    """q0, and q10 and q11 as its only possible examples."""

    def __init__(self) -> None:
        super().__init__(12)

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        return super().__getitem__([0, 10, 11][index])


def continuation(limit: int = 4, **options: Any) -> ContinuationLoss:
    texts = Texts([f"document number {i} " * (3 + i) for i in range(6)])
    return ContinuationLoss(Continuation(texts, part=16), limit=limit, **options)


def test_continuation_loss_scores_the_same_targets_for_every_system(session: Session) -> None:
    results = {type(system).__name__: continuation().run(system, session) for system in SYSTEMS}
    targets = {name: [(r.id, r.weights["loss"]) for r in found] for name, found in results.items()}
    assert all(each == targets["Arc"] for each in targets.values())
    losses = {name: [r.scores["loss"] for r in found] for name, found in results.items()}
    assert len({tuple(each) for each in losses.values()}) == 4
    for found in results.values():
        for result in found:
            assert result.scores.keys() == {"loss"}


def test_continuation_loss_scores_the_same_targets_whatever_tokenizer_the_encoder_has(session: Session) -> None:
    other = replace(session, collator=ArcCollator(pairs(), session.collator.decoders))
    mine, others = (continuation().run(Arc(), each) for each in (session, other))
    assert [r.weights["loss"] for r in mine] == [r.weights["loss"] for r in others]
    assert [r.document_tokens for r in mine] == [r.document_tokens for r in others]
    assert [r.document_positions for r in mine] != [r.document_positions for r in others]


def pairs() -> PreTrainedTokenizerFast:
    """A tokenizer of single characters, with some pairs as one token."""
    ids = {"<unk>": 0, **{character: 1 + i for i, character in enumerate("abcdefghijklmnopqrstuvwxyz 0123456789")}}
    merges = [("u", "m"), ("e", "n"), ("d", "o"), ("b", "e")]
    ids |= {left + right: len(ids) + i for i, (left, right) in enumerate(merges)}
    fast = Tokenizer(models.BPE(vocab=ids, merges=merges, unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=fast, unk_token="<unk>")


def test_limits_that_ask_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="benchmark continuation: limit=0 must be at least 1"):
        continuation(limit=0)


@torch.no_grad()
def test_continuation_loss_equals_the_decoder_s_own(text_session: Session) -> None:
    made = continuation(limit=3)
    results = made.run(OpenBook(), text_session)
    decoder, tokenizer = text_session.decoder, text_session.collator.encoder_tokenizer
    for number, result in enumerate(results):
        sample = made.task.sample(number, 0, tokenizer)
        before = "".join(s.text for s in sample.segments if s.role is not Role.TARGET)
        target = decoder.token_ids(sample.segments[-1].text)
        ids = torch.tensor([[*decoder.prefix_ids, *decoder.token_ids(before), *target]])
        logits = decoder.model(ids).logits[0, -len(target) - 1 : -1]
        wanted = torch.nn.functional.cross_entropy(logits, torch.tensor(target))
        assert result.scores["loss"] == pytest.approx(float(wanted), abs=1e-4)
        assert result.weights == {"loss": len(target)}


def test_a_limit_beyond_the_source_takes_every_document(text_session: Session) -> None:
    assert len(continuation(limit=99).run(ClosedBook(), text_session)) == 6


def test_sessions_batch_by_length_and_miss_nothing(text_session: Session) -> None:
    session = replace(text_session, batch_size=3, batch_positions=1000, progress=False)
    items = ["x" * n for n in (3, 9, 1, 7, 5, 2, 8)]
    batches = list(session.batches(items, len, "title"))
    assert [[len(items[i]) for i in batch] for batch in batches] == [[9, 8, 7], [5, 3, 2], [1]]
    session.batch_positions = 17
    batches = list(session.batches(items, len, "title"))
    assert [[len(items[i]) for i in batch] for batch in batches] == [[9], [8, 7], [5, 3, 2], [1]]
    session.batch_positions = 1  # what is longer goes by itself
    assert [len(batch) for batch in session.batches(items, len, "title")] == [1] * 7


@pytest.mark.parametrize("system", [Arc(), OpenBook(), Truncate()])
def test_prompts_that_do_not_fit_lose_examples_first_and_then_the_documents_end(
    session: Session, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session.decoder, "_window", 220)
    made = benchmark(shots=4, limit=4, overflow="shorten", source=Long(12, words=(4,)))
    with pytest.warns(
        UserWarning, match=r"benchmark colours: 4 of 4 prompts did not fit the window of 220 .*fewer than 4"
    ):
        results = made.run(system, session)
    assert all(0 < result.details["examples"] < 4 and not result.details["document_cut"] for result in results)
    made = benchmark(shots=1, limit=2, overflow="shorten", source=Long(12, words=(1500,)))
    if isinstance(system, OpenBook):
        with pytest.warns(UserWarning, match="2 documents were cut"):
            results = made.run(system, session)
        assert all(result.details["examples"] == 0 and result.details["document_cut"] for result in results)
        with pytest.raises(DataError, match="does not fit the window of 220"):
            benchmark(shots=1, limit=2, source=Long(12, words=(1500,))).run(system, session)
    with pytest.raises(ConfigError, match="overflow='cut' is unknown; choose stop or shorten"):
        benchmark(overflow="cut")


def test_prompts_that_fit_stay_as_they_are(session: Session) -> None:
    usual, shortened = benchmark().run(OpenBook(), session), benchmark(overflow="shorten").run(OpenBook(), session)
    assert usual == shortened
    assert "examples" not in usual[0].details


class Long(Questions):
    """Documents of so many words."""

    def __init__(self, count: int, words: tuple[int, ...]) -> None:
        super().__init__(count)
        self.words = words

    def __getitem__(self, index: int) -> Any:
        return replace(super().__getitem__(index), passages=tuple(" ".join(["word"] * count) for count in self.words))


def test_an_answer_that_leaves_no_room_for_a_prompt_is_told(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.decoder, "_window", 64)
    with pytest.raises(DataError, match=r"an answer may take 64 tokens .*leaves nothing of the window of 64"):
        benchmark(overflow="shorten", max_new_tokens=64).run(OpenBook(), session)


def test_room_is_left_for_an_accepted_answer_that_is_longer_than_what_may_be_generated(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LongAnswers(Long):
        def __getitem__(self, index: int) -> Any:
            return replace(super().__getitem__(index), answers=("yes " * 20,))

    monkeypatch.setattr(session.decoder, "_window", 220)
    made = benchmark(
        shots=0, limit=2, overflow="shorten", max_new_tokens=4, metrics=("exact_match", "answer_token_loss"),
        source=LongAnswers(4, words=(100,)),
    )  # fmt: skip
    with pytest.warns(UserWarning, match="2 of 2 documents were cut"):
        results = made.run(OpenBook(), session)
    assert all(result.weights["answer_token_loss"] > 60 for result in results)


def test_what_is_too_long_is_told_before_answers_are_generated(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session.decoder, "_window", 220)
    monkeypatch.setattr(
        "arc_encoder.evaluation.session.answers.generate_all", lambda *args, **kwargs: pytest.fail("generated")
    )
    made = benchmark(limit=2, metrics=("exact_match", "answer_token_loss"), source=Long(12, words=(100,)))
    with pytest.raises(DataError, match="does not fit the window of 220"):
        made.run(OpenBook(), session)


def test_without_bos_a_text_begins_after_the_end_of_another() -> None:
    """A continuation without context has something before its first token, so that it can be scored."""
    decoder = FrozenDecoder(tiny_language_model(seed=7), tiny_tokenizer(), bos=False)
    texts = {"decoder": DecoderText(tiny_tokenizer(), bos=False)}
    session = Session(
        ArcForCausalLM(None, {"decoder": decoder}).eval(),
        ArcCollator(tiny_tokenizer(), texts),
        "decoder",
        progress=False,
    )
    sample = Sample("x", (Segment("abc", Role.TARGET),))
    ((loss, count),) = session.model.sample_losses(session.collate([session.with_start(sample)], "t"))
    ids = [decoder.tokenizer.eos_token_id, *decoder.token_ids("abc")]
    logits = decoder.model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    assert count == 3
    assert loss == pytest.approx(-float(logits[range(3), ids[1:]].sum()), abs=1e-4)
    begun = Sample("x", (Segment("a", Role.PLAIN), Segment("bc", Role.TARGET)))
    assert session.with_start(begun) is begun


def test_an_example_tells_the_document_and_what_stood_in_its_place(session: Session) -> None:
    whole = benchmark(limit=1, max_new_tokens=1).run(OpenBook(), session)[0].details
    cut = benchmark(limit=1, max_new_tokens=1).run(Truncate(tokens=7), session)[0].details
    assert (whole["document"], "shown" in whole) == ("Passage 0 of q0.", False)
    assert (cut["document"], cut["shown"]) == ("Passage 0 of q0.", "Passage")
    assert "shown" not in benchmark(limit=1, max_new_tokens=1).run(Arc(), session)[0].details
    assert beginning_of("a" * 3000) == "a" * 1999 + "…"
