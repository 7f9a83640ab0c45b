"""The model for lm-evaluation-harness: scores and answers are those of the samples that it makes."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("lm_eval", reason="needs the extra lm-eval")

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from arc_encoder.config.building.harness import model_of, register
from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.core.segments import Role, Sample, Segment
from arc_encoder.data.batching.collator import ArcCollator, DecoderText
from arc_encoder.evaluation.runs.harness import HarnessModel
from arc_encoder.evaluation.session.session import Session
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.decoder.generation.refill import Refill
from arc_encoder.model.decoder.load import FrozenDecoder
from tests.tiny_models import tiny_language_model, tiny_tokenizer

LONG = "The quick brown fox jumps over the lazy dog.\nIt does so every day.\nQuestion: who?\nAnswer:"


class Asked:
    """A request, as the harness makes it."""

    def __init__(self, *args: Any) -> None:
        self.args = args


def roles(sample: Sample) -> list[tuple[Role, str]]:
    return [(segment.role, segment.text) for segment in sample.segments]


def test_all_but_the_last_lines_are_compressed(session: Session, text_session: Session) -> None:
    model = HarnessModel(session, keep=30)  # of bytes, with this tokenizer
    assert roles(model._sample("a", LONG)) == [
        (Role.CONTEXT, "The quick brown fox jumps over the lazy dog.\nIt does so every day.\n"),
        (Role.PLAIN, "Question: who?\nAnswer:"),
    ]
    assert roles(model._sample("a", "one two three four five six seven eight nine ten")) == [
        (Role.CONTEXT, "one two three four"),
        (Role.PLAIN, " five six seven eight nine ten"),
    ]
    assert roles(model._sample("a", "short")) == [(Role.PLAIN, "short")]
    assert roles(HarnessModel(text_session, keep=4)._sample("a", LONG)) == [(Role.PLAIN, LONG)]


def test_scores_are_those_of_the_decoder(text_session: Session) -> None:
    model = HarnessModel(text_session, keep=4)
    decoder = text_session.decoder
    pairs = [("Once upon", " a time"), ("A longer beginning than", " x")]
    found = model.loglikelihood([Asked(*pair) for pair in pairs])
    for (context, continuation), (score, greedy) in zip(pairs, found, strict=True):
        start = [*decoder.prefix_ids, *decoder.token_ids(context)]
        target = decoder.token_ids(continuation)
        with torch.no_grad():
            logits = decoder.model(torch.tensor([start + target])).logits[0, len(start) - 1 : -1].log_softmax(-1)
        assert score == pytest.approx(float(logits[range(len(target)), target].sum()), abs=1e-3)
        assert greedy == (logits.argmax(-1).tolist() == target)


def test_what_is_generated_is_greedy_to_the_harness_too(session: Session) -> None:
    model = HarnessModel(session, keep=30)
    (text,) = model.generate_until([Asked(LONG, {"until": [], "max_gen_toks": 1})])
    if text:  # a byte that is text by itself
        ((_, greedy),) = model.loglikelihood([Asked(LONG, text)])
        assert greedy


def test_answers_end_at_their_own_stop_and_length(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    model = HarnessModel(session, keep=30, max_new_tokens=7)
    calls: list[tuple[int, int, Any]] = []

    def say(model: Any, name: str, take: Any, *, max_new_tokens: int, stop: Any, **_: Any) -> Iterator[tuple[int, str]]:
        prompts = len(take([]).sample_ids)
        calls.append((prompts, max_new_tokens, stop))
        yield from enumerate(["one\ntwo"[:max_new_tokens]] * prompts)

    monkeypatch.setattr("arc_encoder.evaluation.session.answers.generate_all", say)
    asked = [
        Asked(LONG, {"until": ["\n"]}),
        Asked(LONG, {"until": "w", "max_gen_toks": 6}),
        Asked(LONG, {"max_gen_toks": 2}),
        Asked(LONG + " and more", {"until": ["\n", ""]}),
        Asked(LONG, {"until": ["w", "e"]}),
    ]
    assert model.generate_until(asked) == ["one", "one\nt", "on", "one", "on"]
    assert calls == [(2, 7, ("\n",)), (1, 6, ("w",)), (1, 2, ()), (1, 7, ("w", "e"))]
    with pytest.raises(ConfigError, match="asks for sampling"):
        model.generate_until([Asked(LONG, {"do_sample": True})])


def test_nothing_is_generated_after_a_stop_text(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    model = HarnessModel(session, keep=30, max_new_tokens=40)
    lengths: list[int] = []
    drop = Refill.drop

    def listen(self: Refill) -> list[tuple[int, str]]:
        lengths.extend(len(each.ids) for each in self.running if each.ended)
        return drop(self)

    monkeypatch.setattr(Refill, "drop", listen)
    (whole,) = model.generate_until([Asked(LONG, {"until": []})])
    readable = [place for place, letter in enumerate(whole) if letter != "\ufffd"]
    stop = whole[readable[0]]
    before = whole.split(stop)[0]
    for until in ([stop], stop, ["never said", stop]):
        assert model.generate_until([Asked(LONG, {"until": until})]) == [before]
    assert lengths[0] == 40
    assert all(length < 40 for length in lengths[1:])


def test_a_whole_text_is_scored_in_parts_after_all_that_stands_before(session: Session) -> None:
    model = HarnessModel(session, keep=20)
    spans = model._spans(LONG)
    assert "".join(LONG[start:end] for start, end in spans) == LONG
    pairs = [
        Sample("x", tuple(s for s in (Segment(LONG[:a], Role.CONTEXT),) if s.text), end_of_text=False) for a, _ in spans
    ]
    assert len(pairs) > 3
    (total,) = model.loglikelihood_rolling([Asked(LONG)])
    by_hand = 0.0
    for start, end in spans:
        before = (
            [Segment(LONG[:start], Role.CONTEXT)] if start >= 8 else [Segment(LONG[:start], Role.PLAIN)] * (start > 0)
        )
        sample = Sample("x", (*before, Segment(LONG[start:end], Role.TARGET)))
        ((loss, _),) = session.model.sample_losses(session.collate([sample], "t"))
        by_hand -= loss
    assert total == pytest.approx(by_hand, abs=1e-3)


def test_the_harness_knows_the_model() -> None:
    from lm_eval.api.registry import get_model

    register()
    made = get_model("arc").create_from_arg_string("decoder=toy_a,keep=3", {"batch_size": "auto", "device": "cuda:0"})
    assert isinstance(made, HarnessModel)
    assert (made.keep, made.session.decoder_name, made.session.has_compressor) == (3, "toy_a", False)
    with pytest.raises(ConfigError, match="model_args: unknown chekpoint; there are checkpoint"):
        model_of({"chekpoint": "x"})
    with pytest.raises(ConfigError, match="keep=-1"):
        model_of({"keep": -1})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep": "abc"}, r"model_args: keep=abc is no whole number; give one such as keep=64"),
        ({"batch_size": "many"}, r"model_args: batch_size=many is no whole number"),
        ({"factor": "4.5"}, r"model_args: factor=4.5 is no whole number"),
        ({"max_new_tokens": 0}, r"model_args: max_new_tokens=0 must be at least 1"),
        ({"decoder": "nope"}, r"model_args: decoder=nope cannot be used .*; the decoders are .*toy_a"),
        ({"decoder": "huggingface"}, r"decoder=huggingface cannot be used .*decoder_path=<folder or hub name>"),
    ],
)
def test_arguments_that_cannot_be_used_are_told_in_plain_words(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        model_of(settings)


def test_a_decoder_that_is_not_there_is_told_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no decoder could be loaded from .*: there is no such folder"):
        model_of({"decoder": "huggingface", "decoder_path": str(tmp_path / "gone")})


def test_the_beginning_of_a_prompt_that_is_too_long_is_left_out(
    session: Session, text_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = "a" * 200 + LONG
    for each in (session, text_session):
        monkeypatch.setattr(each.decoder, "_window", 64)
        model = HarnessModel(each, keep=20, max_new_tokens=4)
        with pytest.warns(UserWarning, match="its beginning is left out"):
            assert len(model.generate_until([Asked(prompt, {"until": []})])) == 1
        sample = model._fitting("x", prompt, 20, 4)
        assert sample.segments[-1].text.endswith("Answer:")
        assert 50 < each.positions(sample, each.budgets([sample.segments[0].text]) if each.has_compressor else {}) <= 60
        ((score, _),) = model.loglikelihood([Asked(prompt, " who")])
        assert score < 0
        assert model.loglikelihood_rolling([Asked(prompt)])[0] < 0


def test_a_special_token_written_in_a_prompt_is_plain_text(text_session: Session) -> None:
    model = HarnessModel(text_session, keep=20, max_new_tokens=4)
    prompt = "what ends at </s>?"
    assert model._starts(prompt) == list(range(len(prompt)))  # a token a byte


def test_no_more_is_compressed_than_the_encoder_reads(session: Session) -> None:
    session.model.compressor.chunking.size, session.model.compressor.chunking.max_chunks = 8, 5
    session.model.compressor.chunking.overflow = "stop"
    model = HarnessModel(session, keep=20)
    with pytest.warns(UserWarning, match="its beginning is left out"):
        sample = model._fitting("x", "a" * 200 + LONG, 20, 4)
    assert sample.segments[0].role is Role.CONTEXT
    assert 20 < len(sample.segments[0].text) <= 40


def test_without_bos_whole_texts_can_be_scored() -> None:
    texts = {"decoder": DecoderText(tiny_tokenizer(), bos=False)}
    decoder = FrozenDecoder(tiny_language_model(seed=7), tiny_tokenizer(), bos=False)
    model = ArcForCausalLM(None, {"decoder": decoder}).eval()
    session = Session(model, ArcCollator(tiny_tokenizer(), texts), "decoder", progress=False)
    harness = HarnessModel(session, keep=20)
    assert harness.loglikelihood_rolling([Asked(LONG)])[0] < 0
    assert harness.loglikelihood([Asked("", "one")])[0][0] < 0


def test_chat_templates_are_refused_in_plain_words(session: Session) -> None:
    model = HarnessModel(session)
    with pytest.raises(ConfigError, match="leave `apply_chat_template` out"):
        model.apply_chat_template([{"role": "user", "content": "Hello"}])
    with pytest.raises(ConfigError, match="leave `apply_chat_template` out"):
        _ = model.tokenizer_name
