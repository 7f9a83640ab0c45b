"""The embedded engine's batch: each answer is what the decoder says alone, whoever joins and leaves."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from arc_encoder.data.batching.collator import DecoderText
from arc_encoder.inference import Compressor, Sampling
from arc_encoder.inference.generation.answering import Answering
from arc_encoder.inference.serving.engines.base import Delta, Finished, Job
from arc_encoder.inference.serving.engines.embedded.decoding import Decoding, Work
from arc_encoder.inference.serving.engines.embedded.kv_rows import EMPTY
from arc_encoder.inference.serving.prompts.prompt import Part, opening, runs_of
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.decoder.frozen_decoder import FrozenDecoder
from tests.tiny_decoders import tiny_causal
from tests.tiny_models import WIDTH, tiny_compressor, tiny_tokenizer


def decoding_of(compressor: Compressor, **options: object) -> Decoding:
    assert compressor.decoder is not None
    arc = ArcForCausalLM(compressor.model, {compressor.decoder_name: compressor.decoder})
    return Decoding(Answering(arc, compressor.tokenizer, compressor.decoder_name), **options)  # type: ignore[arg-type]


class Asked:
    """A prompt, and what was told about it."""

    def __init__(self, decoder: FrozenDecoder, parts: list[Part], max_tokens: int, **options: object) -> None:
        self.texts = [""] * int(options.get("n", 1))  # type: ignore[call-overload]
        self.finished: Finished | None = None
        job = Job(tuple(parts), **options)  # type: ignore[arg-type]
        text = DecoderText(decoder.tokenizer, decoder.bos)
        self.work = Work(job, runs_of([*opening(text), *parts], text), max_tokens, self.tell)

    def tell(self, event: Delta | Finished | Exception) -> None:
        assert not isinstance(event, Exception)
        if isinstance(event, Finished):
            self.finished = event
        else:
            self.texts[event.choice] += event.text


@pytest.fixture(scope="module", params=["llama", "gemma3", "olmo3", "gpt2", "falcon", "gpt_neox", "qwen3"])
def family(request: pytest.FixtureRequest) -> Compressor:
    """Decoders with and without sliding windows, with and without position ids."""
    return around(request.param)


def around(family: str) -> Compressor:
    decoder = FrozenDecoder(tiny_causal(family, seed=3), tiny_tokenizer())
    return Compressor(tiny_compressor(widths={"d": WIDTH}), tiny_tokenizer(), decoder=decoder)


def test_answers_do_not_depend_on_who_joins_and_leaves(family: Compressor) -> None:
    draw = random.Random(1)
    documents = [f"document {number} " + "x" * draw.randint(1, 60) for number in range(6)]
    contexts = family.encode(documents)
    decoding = decoding_of(family, max_batch=4, prefill_positions=100)
    asked: list[Asked] = []
    expected = []
    assert family.decoder is not None
    for number in range(18):
        context = contexts[draw.randrange(6)]
        prompt: list[Part] = (
            ["about ", context, f" question {number}?"] if number % 3 else [f"text {number} " * draw.randint(1, 5)]
        )
        longest = draw.randint(1, 14)
        asked.append(Asked(family.decoder, prompt, longest))
        expected.append(family.generate([prompt], max_new_tokens=longest)[0])
    waiting = list(asked)
    while waiting or decoding.active or decoding.pending:
        take = min(draw.randint(0, 3), max(decoding.room, 0))
        new, waiting = waiting[:take], waiting[take:]
        for group in decoding.groups([each.work for each in new]):
            decoding.read(group)
        decoding.step()
    assert [each.texts[0] for each in asked] == expected
    assert all(each.finished is not None for each in asked)
    assert decoding.prefix_hits > 0


def test_draws_are_those_of_a_single_prompt(compressor: Compressor) -> None:
    decoding = decoding_of(compressor, max_batch=8)
    sampling = Sampling(0.9, 0.9, 7)
    assert compressor.decoder is not None
    asked = [Asked(compressor.decoder, [f"prompt {number}"], 10, n=2, sampling=sampling) for number in range(3)]
    decoding.read([each.work for each in asked])
    while decoding.active or decoding.pending:
        decoding.step()
    for number, each in enumerate(asked):
        alone = compressor.generate([f"prompt {number}"] * 2, temperature=0.9, top_p=0.9, seed=7, max_new_tokens=10)
        assert each.texts == alone


def test_whoever_is_gone_leaves_the_batch(compressor: Compressor) -> None:
    decoding = decoding_of(compressor)
    assert compressor.decoder is not None
    gone, stays = (Asked(compressor.decoder, [text], 12) for text in ("one", "another"))
    decoding.read([gone.work, stays.work])
    decoding.step()
    gone.work.cancelled = True
    said = gone.texts[0]
    while decoding.active:
        decoding.step()
    assert gone.texts[0] == said
    assert gone.finished is None
    assert stays.texts == compressor.generate(["another"], max_new_tokens=12)


def test_prefixes_are_kept_within_their_bytes(compressor: Compressor) -> None:
    decoding = decoding_of(compressor, prefix_cache_mib=0.05)
    assert compressor.decoder is not None
    for number, context in enumerate(compressor.encode([f"document {i} " * 9 for i in range(12)])):
        decoding.read([Asked(compressor.decoder, ["d ", context, f" q{number}"], 1).work])
        assert decoding.prefixes.used <= decoding.prefixes.limit
    assert decoding.prefixes.used > 0


def test_reading_in_two_pieces_is_reading_in_one(compressor: Compressor) -> None:
    decoding = decoding_of(compressor)
    generator = torch.Generator().manual_seed(0)
    whole: list[Tensor] = [torch.randn(n, decoding.decoder.width, generator=generator) / 5 for n in (7, 3, 12)]
    with torch.no_grad():
        expected, _ = decoding.extend([EMPTY] * 3, whole)
        _, rows = decoding.extend([EMPTY] * 3, [each[:2] for each in whole])
        again, rows = decoding.extend(rows, [each[2:] for each in whole])
    torch.testing.assert_close(again, expected, atol=1e-5, rtol=1e-4)
    assert [row.length for row in rows] == [7, 3, 12]
