"""Batch → loss and batch → text, against loops over single samples without any padding."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.errors import CheckpointError, ConfigError, DataError
from arc_encoder.core.segments import TaskToken
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.encoder.chunking import Chunking
from arc_encoder.model.encoder.pooling import MeanPooling
from tests.tiny_models import (
    WIDTH,
    WINDOW,
    make_batch,
    numbers,
    tiny_arc_model,
    tiny_compressor,
    tiny_decoder,
    tiny_language_model,
)

Segments = list[tuple[str, list[int]]]


def ids(count: int, seed: int = 0) -> list[int]:
    return list(numbers(count, seed))


# Contexts at the start, at the end, adjacent, several in a sample, none at all; targets right after a context.
SAMPLES: list[Segments] = [
    [("plain", [1, *ids(3, 1)]), ("context", ids(13, 2)), ("target", ids(4, 3))],
    [
        ("context", ids(5, 4)),
        ("target", ids(2, 5)),
        ("plain", ids(2, 6)),
        ("context", ids(9, 7)),
        ("context", ids(1, 8)),
    ],
    [("plain", [1]), ("target", ids(6, 9))],
    [
        ("plain", ids(2, 10)),
        ("context", ids(20, 11)),
        ("plain", ids(3, 12)),
        ("context", ids(4, 13)),
        ("target", ids(1, 14)),
    ],
]


def merged_by_hand(
    model: ArcForCausalLM, sample: Segments, task_token: TaskToken = TaskToken.CONTINUE
) -> tuple[Tensor, list[tuple[int, int]]]:
    """Decoder inputs (n, E) of one sample, and (position, id) of each of its targets."""
    decoder = model.decoder("decoder")
    parts: list[Tensor] = []
    targets: list[tuple[int, int]] = []
    for role, tokens in sample:
        if role == "context":
            vectors, _ = model.compressor(torch.tensor([tokens]), torch.tensor([len(tokens)]), "decoder", task_token)
            parts.append(vectors[0])
        else:
            begin = sum(map(len, parts))
            parts.append(decoder.embed(torch.tensor([tokens]))[0])
            targets += [(begin + i, token) for i, token in enumerate(tokens)] if role == "target" else []
    return torch.cat(parts), targets


def losses_by_hand(model: ArcForCausalLM, sample: Segments, task_token: TaskToken = TaskToken.CONTINUE) -> Tensor:
    embeddings, targets = merged_by_hand(model, sample, task_token)
    logits = model.decoder("decoder").model(inputs_embeds=embeddings[None], use_cache=False).logits[0]
    rows = [nn.functional.cross_entropy(logits[place - 1], torch.tensor(token)) for place, token in targets]
    return torch.stack(rows) if rows else torch.zeros(0)


PAIRS = [("llama", "llama"), ("gemma3", "gpt2"), ("olmo2", "gemma3"), ("llama", "falcon")]


@torch.no_grad()
@pytest.mark.parametrize(("family", "decoder_family"), PAIRS)
def test_loss_against_a_loop(family: str, decoder_family: str) -> None:
    model = tiny_arc_model(family, decoder_family, decoder_width=40)
    for task_token in TaskToken:
        batch = replace(make_batch(SAMPLES), task_token=task_token)
        output = model(batch)
        by_hand = [losses_by_hand(model, sample, task_token) for sample in SAMPLES]
        torch.testing.assert_close(output.loss_sum, torch.cat(by_hand).sum(), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(output.loss, torch.cat(by_hand).mean(), rtol=1e-4, atol=1e-4)
        assert int(output.target_tokens) == batch.target_tokens == 13
        for (total, count), losses in zip(model.sample_losses(batch), by_hand, strict=True):
            assert count == len(losses)
            assert total == pytest.approx(float(losses.sum()), rel=1e-4, abs=1e-4)


@torch.no_grad()
def test_what_is_counted() -> None:
    model = tiny_arc_model()
    output = model(make_batch(SAMPLES))
    lengths = [len(merged_by_hand(model, sample)[0]) for sample in SAMPLES]
    assert output.vectors == sum(-(-n // 4) + 1 for n in (13, 5, 9, 1, 20, 4))
    assert output.positions == sum(lengths)
    assert output.slots == len(SAMPLES) * max(lengths)
    correct = 0
    for sample in SAMPLES:
        embeddings, targets = merged_by_hand(model, sample)
        best = model.decoder("decoder").model(inputs_embeds=embeddings[None], use_cache=False).logits[0].argmax(-1)
        correct += sum(int(best[place - 1]) == token for place, token in targets)
    assert int(output.correct_tokens) == correct


@torch.no_grad()
def test_correct_tokens_when_the_targets_are_the_best() -> None:
    model = tiny_arc_model()
    sample = SAMPLES[0][:2]
    answer = model.decoder("decoder").generate(
        merged_by_hand(model, sample)[0][None], torch.ones(1, 8 + 1, dtype=torch.bool), max_new_tokens=3
    )
    wrong = [(int(token) + 1) % 250 for token in answer[0]]
    right = make_batch([[*sample, ("target", answer[0].tolist())]])
    assert int(model(right).correct_tokens) == answer.shape[1]
    assert int(model(make_batch([[*sample, ("target", wrong[:1])]])).correct_tokens) == 0


def padded(batch: ArcBatch, contexts: int, text: int) -> ArcBatch:
    """The same batch with more padding, of ids that are not 0."""
    pad = nn.functional.pad
    return replace(
        batch,
        context_ids=pad(batch.context_ids, (0, contexts), value=17),
        text_ids=pad(batch.text_ids, (0, text), value=19),
        target_mask=pad(batch.target_mask, (0, text)),
    )


@pytest.mark.parametrize(("family", "decoder_family"), PAIRS)
def test_padding_order_and_batch_size_change_no_loss(family: str, decoder_family: str) -> None:
    model = tiny_arc_model(family, decoder_family)
    expected = [total for total, _ in model.sample_losses(make_batch(SAMPLES))]
    assert len({round(total, 3) for total in expected}) == len(SAMPLES)
    order = [2, 0, 3, 1]
    variants = {
        "order": [model.sample_losses(make_batch([SAMPLES[i] for i in order]))[order.index(i)][0] for i in range(4)],
        "padding": [total for total, _ in model.sample_losses(padded(make_batch(SAMPLES), 5, 3))],
        "alone": [model.sample_losses(make_batch([sample]))[0][0] for sample in SAMPLES],
    }
    for name, losses in variants.items():
        assert losses == pytest.approx(expected, rel=1e-4, abs=1e-4), name


def test_gradient_reaches_all_that_is_trained_and_nothing_else() -> None:
    model = tiny_arc_model().train()
    before = model.decoder("decoder").fingerprint()
    model(make_batch(SAMPLES)).loss.backward()
    for name, parameter in model.named_parameters():
        if name.startswith("decoders.") or name.endswith("task_tokens.reconstruct"):
            assert parameter.grad is None, name
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name
    torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1).step()
    assert model.decoder("decoder").fingerprint() == before


def test_factor_of_call_batch_and_model() -> None:
    model = tiny_arc_model(pooling=MeanPooling(8))
    batch = make_batch(SAMPLES)
    reference = tiny_arc_model(pooling=MeanPooling(4))
    expected = reference(batch)
    for output in (model(batch, factor=4), model(replace(batch, factor=4)), model(replace(batch, factor=2), factor=4)):
        assert output.vectors == expected.vectors
        torch.testing.assert_close(output.loss_sum, expected.loss_sum)
    assert model(batch).vectors < expected.vectors
    assert [t for t, _ in model.sample_losses(replace(batch, factor=4))] == [
        t for t, _ in reference.sample_losses(batch)
    ]


@torch.no_grad()
def test_long_contexts_are_chunked() -> None:
    model = tiny_arc_model(chunking=Chunking(6))
    output = model(make_batch(SAMPLES))
    assert output.vectors == sum(
        sum(-(-min(6, n - start) // 4) for start in range(0, n, 6)) + 1 for n in (13, 5, 9, 1, 20, 4)
    )
    by_hand = torch.cat([losses_by_hand(model, sample) for sample in SAMPLES])
    torch.testing.assert_close(output.loss_sum, by_hand.sum(), rtol=1e-4, atol=1e-4)


def test_a_sample_longer_than_the_window_is_named() -> None:
    model = tiny_arc_model()
    long = [("plain", [1]), ("context", ids(4 * WINDOW, 1)), ("target", ids(3, 2))]
    batch = replace(make_batch([SAMPLES[0], long]), sample_ids=("short", "long"))
    with pytest.raises(
        DataError, match=rf"sample 'long' of task 'test' needs {WINDOW + 5} positions \({WINDOW + 1} vectors and 4 tok"
    ):
        model(batch)


# The first and the last end in a context.
PROMPTS: list[Segments] = [
    [("plain", [1, *ids(3, 21)]), ("context", ids(13, 22))],
    [("plain", [1]), ("context", ids(6, 23)), ("plain", ids(5, 24))],
    [("plain", ids(2, 25))],
    [("context", ids(9, 26)), ("context", ids(2, 27))],
]


def texts_by_hand(model: ArcForCausalLM, prompt: Segments, new: int) -> str:
    decoder = model.decoder("decoder")
    embeddings = merged_by_hand(model, prompt)[0]
    made: list[int] = []
    while len(made) < new:
        made.append(int(decoder.model(inputs_embeds=embeddings[None], use_cache=False).logits[0, -1].argmax()))
        embeddings = torch.cat([embeddings, decoder.embed(torch.tensor(made[-1:]))])
        if made[-1] == decoder.tokenizer.eos_token_id:
            break
    return decoder.tokenizer.decode(made, skip_special_tokens=True)


@torch.no_grad()
@pytest.mark.parametrize(("family", "decoder_family"), PAIRS)
def test_answers_against_a_loop(family: str, decoder_family: str) -> None:
    model = tiny_arc_model(family, decoder_family)
    answers = model.generate(make_batch(PROMPTS), max_new_tokens=6)
    assert answers == [texts_by_hand(model, prompt, 6) for prompt in PROMPTS]
    assert len(set(answers)) > 1
    assert answers == [model.generate(make_batch([prompt]), max_new_tokens=6)[0] for prompt in PROMPTS]


@torch.no_grad()
def test_prompt_that_ends_in_a_context_depends_on_it() -> None:
    model = tiny_arc_model()
    prompts = [[("plain", [1, *ids(3, 21)]), ("context", ids(13, seed))] for seed in range(30, 36)]
    answers = model.generate(make_batch(prompts), max_new_tokens=6)
    assert len(set(answers)) == 6
    assert all(answers)


@torch.no_grad()
def test_answers_stop_at_eos() -> None:
    model = tiny_arc_model()
    decoder = model.decoder("decoder")
    embeddings = merged_by_hand(model, PROMPTS[0])[0]
    free = decoder.generate(embeddings[None], torch.ones(1, len(embeddings), dtype=torch.bool), max_new_tokens=6)[
        0
    ].tolist()
    decoder.tokenizer.eos_token = decoder.tokenizer.convert_ids_to_tokens(free[2])
    assert free[2] not in free[:2]
    answers = model.generate(make_batch(PROMPTS), max_new_tokens=6)
    assert answers[0] == decoder.tokenizer.decode(free[:2])
    decoder.tokenizer.eos_token = decoder.tokenizer.convert_ids_to_tokens(free[0])
    assert model.generate(make_batch(PROMPTS), max_new_tokens=6)[0] == ""


TEXT_ONLY: list[Segments] = [SAMPLES[2], [("plain", [1, *ids(4, 40)]), ("target", ids(3, 41))]]


@pytest.mark.parametrize("decoder_family", ["llama", "gemma3"])
def test_text_alone_is_the_plain_model_bit_by_bit(decoder_family: str) -> None:
    model = tiny_arc_model(decoder_family=decoder_family)
    decoder, batch = model.decoder("decoder"), make_batch(TEXT_ONLY)
    untouched = tiny_language_model(decoder_family, seed=7)
    embeddings, layout = model.merge(batch)
    assert torch.equal(embeddings[layout.mask], untouched.get_input_embeddings()(batch.text_ids)[layout.mask])
    for _ in range(2):  # before and after a training step
        merged = decoder.model(inputs_embeds=embeddings, attention_mask=layout.mask.long(), use_cache=False).logits
        plain = untouched(input_ids=batch.text_ids, attention_mask=layout.mask.long(), use_cache=False).logits
        assert torch.equal(merged[layout.mask], plain[layout.mask])
        model(make_batch(SAMPLES)).loss.backward()
        torch.optim.SGD(model.compressor.parameters(), lr=0.1).step()
    assert torch.equal(model(batch).loss_sum, ArcForCausalLM(None, {"decoder": decoder})(batch).loss_sum)


def test_without_compressor() -> None:
    model = ArcForCausalLM(None, {"decoder": tiny_decoder()})
    assert not model.has_compressor
    assert model.generate(make_batch(PROMPTS[2:3]), max_new_tokens=3)
    with pytest.raises(ConfigError, match="without ARC-Encoder"):
        model(make_batch(SAMPLES))
    with pytest.raises(ConfigError, match="without ARC-Encoder"):
        _ = model.compressor


def test_wrong_width_names_both() -> None:
    compressor = tiny_compressor(widths={"decoder": WIDTH + 8})
    with pytest.raises(CheckpointError, match=rf"'decoder'.*width {WIDTH + 8}.*width {WIDTH}:"):
        ArcForCausalLM(compressor, {"decoder": tiny_decoder()})


def test_decoders_are_found_by_name() -> None:
    with pytest.raises(ConfigError, match="no decoder"):
        ArcForCausalLM(None, {})
    with pytest.raises(CheckpointError, match=r"'other'.*made for: decoder"):
        ArcForCausalLM(tiny_compressor(), {"other": tiny_decoder()})
    with pytest.raises(ConfigError, match=r"'other' is not loaded; loaded: decoder"):
        tiny_arc_model()(make_batch(SAMPLES, decoder="other"))


def test_two_decoders_have_heads_of_their_own() -> None:
    decoders = {"a": tiny_decoder(width=40, seed=1), "b": tiny_decoder("gpt2", seed=2)}
    model = ArcForCausalLM(tiny_compressor(widths={"a": 40, "b": WIDTH}), decoders)
    model(make_batch(SAMPLES, decoder="b")).loss.backward()
    grads = {name: parameter.grad is not None for name, parameter in model.compressor.heads.named_parameters()}
    assert {name for name, has in grads.items() if has} == {
        "b.projector.layer1.weight",
        "b.projector.layer2.weight",
        "b.task_tokens.continue",
    }


def test_target_that_nothing_predicts() -> None:
    with pytest.raises(DataError, match="start of its sequence"):
        tiny_arc_model()(make_batch([[("target", ids(3))], SAMPLES[0]]))


def test_state_holds_the_trained_part_alone() -> None:
    model = tiny_arc_model()
    state = model.state_dict()
    assert {name.split(".")[0] for name in state} == {"_compressor"}
    other = tiny_arc_model(seed=5)
    before = copy.deepcopy(other.decoder("decoder").fingerprint())
    other.load_state_dict(state, strict=True)
    assert other.decoder("decoder").fingerprint() == before
    batch = make_batch(SAMPLES)
    assert torch.equal(other(batch).loss_sum, model(batch).loss_sum)
