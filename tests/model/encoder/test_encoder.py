"""The encoder over tiny random backbones of every family."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.model.encoder.encoder import PoolingEncoder
from arc_encoder.model.encoder.pooling import LastPooling, MeanPooling, MemoryTokens, Pooling
from tests.tiny_models import (
    DECODER_FAMILIES,
    ENCODER_FAMILIES,
    VOCABULARY,
    WIDTH,
    random_contexts,
    randomize,
    tiny_body,
)

FAMILIES = list(ENCODER_FAMILIES)
LENGTHS = [13, 1, 9, 20]


def plain_stack(body: PreTrainedModel, ids: Tensor, causal: bool = False) -> Tensor:
    """One context (n,) through all layers under an explicit mask, without the final norm: (n, D)."""
    n = len(ids)
    seen = torch.ones(n, n, dtype=torch.bool)
    mask = torch.zeros(n, n).masked_fill(~(seen.tril() if causal else seen), torch.finfo(torch.float32).min)[None, None]
    by_kind = "causal_mask_mapping" in inspect.getsource(type(body).forward)
    body.norm = nn.Identity()
    both = dict.fromkeys(("full_attention", "sliding_attention"), mask)
    return body(ids[None], attention_mask=both if by_kind else mask, use_cache=False).last_hidden_state[0]


def one_by_one(encoder: PoolingEncoder, ids: Tensor, lengths: Tensor) -> list[Tensor]:
    return [encoder(row[None, :n], torch.tensor([n]))[0][0] for row, n in zip(ids, lengths.tolist(), strict=True)]


@torch.no_grad()
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("family", FAMILIES)
def test_factor_one_is_the_plain_stack_without_final_norm(family: str, causal: bool) -> None:
    ids, lengths = random_contexts(LENGTHS, padding=3)
    for where in ("queries", "block", "between"):
        encoder = PoolingEncoder(tiny_body(family), MeanPooling(1, where=where), causal=causal)
        vectors, counts = encoder(ids, lengths)
        assert counts.tolist() == LENGTHS
        for row, n, tokens in zip(vectors, LENGTHS, ids, strict=True):
            expected = plain_stack(tiny_body(family, attention="eager"), tokens[:n], causal)
            torch.testing.assert_close(row[:n], expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_first_block_and_pooled_block_see_the_whole_context(family: str) -> None:
    """The first block alone and one pooled block alone: no other block can carry what they did not see.

    The families' windows hold 5 tokens, the context 24.
    """
    ids, lengths = random_contexts([24])
    changed = ids.clone()
    changed[0, -1] = (ids[0, -1] + 1) % VOCABULARY
    encoder = PoolingEncoder(tiny_body(family, layers=3), MeanPooling(4))
    first: list[Tensor] = []
    encoder.backbone.layers[0].register_forward_hook(lambda _m, _i, out: first.append(out[0, 0]))
    encoder(ids, lengths), encoder(changed, lengths)
    assert (first[0] - first[1]).abs().max() > 1e-4
    alone = PoolingEncoder(tiny_body(family, layers=1), MeanPooling(4))
    assert (alone(ids, lengths)[0][0, 0] - alone(changed, lengths)[0][0, 0]).abs().max() > 1e-4


def sees(encoder: PoolingEncoder, tokens: int) -> Tensor:
    """(m, n) True where a vector depends on a token's embedding."""
    ids, lengths = random_contexts([tokens])
    embedded: list[Tensor] = []
    handle = encoder.backbone.get_input_embeddings().register_forward_hook(
        lambda _m, _i, out: embedded.append(out.detach().requires_grad_()) or embedded[0]
    )
    vectors = encoder(ids, lengths)[0][0]
    handle.remove()
    direction = torch.randn(vectors.shape[1])
    rows = [torch.autograd.grad(vector @ direction, embedded[0], retain_graph=True)[0][0] for vector in vectors]
    return torch.stack(rows).abs().amax(-1) > 0


@pytest.mark.parametrize(
    "pooling", [MeanPooling(4), LastPooling(4), LastPooling(4, where="between"), MeanPooling(4, [2, 2])]
)
@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("family", ["llama", "gemma2", "gemma3", "olmo3"])
def test_causal_sees_up_to_its_groups_end_and_nothing_after(family: str, layers: int, pooling: Pooling) -> None:
    seen = sees(PoolingEncoder(tiny_body(family, layers=layers), pooling, causal=True), 11)
    assert torch.equal(seen, torch.arange(11) < torch.tensor([4, 8, 11])[:, None])


def test_causal_of_one_block() -> None:
    """With one block nothing but this block's mask decides: a query sees the whole of its group."""
    for where in ("queries", "block", "between"):
        seen = sees(PoolingEncoder(tiny_body(layers=1), LastPooling(4, where=where), causal=True), 11)
        expected = torch.arange(11) < torch.tensor([4, 8, 11])[:, None]
        if where == "block":  # keys are pooled too: only the last token of each group is a key
            expected = expected & torch.tensor([i in (3, 7, 10) for i in range(11)])
        assert torch.equal(seen, expected), where


def test_without_causal_everything_is_seen() -> None:
    assert sees(PoolingEncoder(tiny_body(layers=1), LastPooling(4)), 11).all()


@torch.no_grad()
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "gemma2"])  # Gemma 2 is eager only
def test_sdpa_and_eager_agree(family: str, causal: bool) -> None:
    ids, lengths = random_contexts(LENGTHS)
    results = []
    for attention in ("sdpa", "eager"):
        body = tiny_body(family, attention=attention)
        assert body.config._attn_implementation == attention
        encoder = PoolingEncoder(body, MeanPooling(4), causal=causal)
        results.append(
            torch.cat([*one_by_one(encoder, ids, lengths), *encoder(ids, lengths)[0].flatten(0, 1)[:4].split(1)])
        )
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("family", FAMILIES)
def test_contexts_do_not_see_each_other_nor_padding(family: str, causal: bool) -> None:
    encoder = PoolingEncoder(tiny_body(family), MeanPooling(4), causal=causal)
    ids, lengths = random_contexts(LENGTHS, padding=5)
    vectors, counts = encoder(ids, lengths)
    for row, count, alone in zip(vectors, counts.tolist(), one_by_one(encoder, ids, lengths), strict=True):
        torch.testing.assert_close(row[:count], alone, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_memory_tokens_are_last_states_of_a_plain_stack(family: str) -> None:
    pooling = MemoryTokens(4, used=3)
    encoder = PoolingEncoder(tiny_body(family), pooling)
    pooling.embeddings.copy_(torch.randn_like(pooling.embeddings))
    ids, lengths = random_contexts(LENGTHS, padding=2)
    vectors, counts = encoder(ids, lengths)
    assert counts.tolist() == [3] * len(LENGTHS)
    for row, n, tokens in zip(vectors, LENGTHS, ids, strict=True):
        body = tiny_body(family, attention="eager")
        longer = torch.cat([tokens[:n], torch.tensor([0, 1, 2])])
        memory = pooling.embeddings[:3]
        body.get_input_embeddings().register_forward_hook(
            lambda _m, _i, out, m=memory: torch.cat([out[:, :-3], m[None]], 1)
        )
        torch.testing.assert_close(row, plain_stack(body, longer)[-3:], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_another_factor_at_the_call() -> None:
    ids, lengths = random_contexts(LENGTHS)
    chosen, counts = PoolingEncoder(tiny_body(), MeanPooling(8))(ids, lengths, 4)
    expected, expected_counts = PoolingEncoder(tiny_body(), MeanPooling(4))(ids, lengths)
    assert torch.equal(counts, expected_counts)
    assert torch.equal(chosen, expected)


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "phi3", "falcon"])
def test_unsupported_family_is_named(family: str) -> None:
    body = AutoModel.from_config(DECODER_FAMILIES[family](2, WIDTH))
    stem = type(body).__name__.removesuffix("Model")
    with pytest.raises(ConfigError, match=rf"{stem}.* cannot .*Supported.*Llama"):
        PoolingEncoder(body, MeanPooling(4))


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("cohere", {}),  # attention and feed-forward side by side
        ("glm4", {}),  # norms of Gemma's kind under other names
        ("granite", {"residual_multiplier": 0.2}),  # a factor that the block does not know
        ("stablelm", {}),  # rotary embedding of a part of each head
    ],
)
def test_family_whose_blocks_compute_something_else(family: str, options: dict[str, float]) -> None:
    shape = {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    shape |= {"num_key_value_heads": 2, "head_dim": 8, "pad_token_id": None, "bos_token_id": None, "eos_token_id": None}
    body = AutoModel.from_config(AutoConfig.for_model(family, **shape, **options)).eval()
    randomize(body)
    with pytest.raises(ConfigError, match=rf"{type(body).__name__} cannot be an encoder.*Supported.*Llama"):
        PoolingEncoder(body, MeanPooling(4))


def test_more_steps_than_blocks() -> None:
    with pytest.raises(ConfigError, match=r"schedule has 3 steps.*only 2 blocks"):
        PoolingEncoder(tiny_body(layers=2), MeanPooling(8, [2, 2, 2]))


def test_empty_context() -> None:
    encoder = PoolingEncoder(tiny_body(), MeanPooling(4))
    with pytest.raises(DataError, match=r"contexts \[1, 3\] of the batch are empty"):
        encoder(torch.ones(4, 5, dtype=torch.long), torch.tensor([5, 0, 2, 0]))


@pytest.mark.parametrize("family", FAMILIES)
def test_no_norm_after_the_last_block(family: str) -> None:
    encoder = PoolingEncoder(tiny_body(family), MeanPooling(4))
    assert not any(name.startswith("backbone.norm") for name in encoder.state_dict())
    plain = {name for name in tiny_body(family).state_dict() if not name.startswith("norm")}
    assert {name.removeprefix("backbone.") for name in encoder.state_dict()} == plain
    assert encoder.width == WIDTH


@pytest.mark.parametrize(
    "pooling", [MeanPooling(4), MeanPooling(4, [2, 1, 2]), MemoryTokens(3)], ids=["one", "schedule", "memory"]
)
@pytest.mark.parametrize("family", ["llama", "gemma3", "olmo2", "smollm3"])
def test_activation_checkpointing_changes_no_gradient(family: str, pooling: Pooling) -> None:
    ids, lengths = random_contexts(LENGTHS)
    gradients: list[dict[str, Tensor]] = []
    runs: list[int] = []
    for checkpointing in (False, True):
        encoder = PoolingEncoder(
            tiny_body(family), Pooling.from_settings(type(pooling).__name__, pooling.settings())
        ).train()
        if checkpointing:
            encoder.backbone.gradient_checkpointing_enable()
        calls: list[int] = []
        for layer in encoder.backbone.layers:
            layer.mlp.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        vectors, counts = encoder(ids, lengths)
        valid = torch.arange(vectors.shape[1]) < counts[:, None]
        vectors[valid].square().sum().backward()
        gradients.append({name: p.grad for name, p in encoder.named_parameters()})
        runs.append(len(calls))
    assert runs == [3, 6], "with checkpointing every block is computed twice"
    for name, plain in gradients[0].items():
        assert torch.equal(plain, gradients[1][name]), name
