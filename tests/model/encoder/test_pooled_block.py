"""Pooled blocks of every family, against the family's own layer.

The reference is the Hugging Face layer itself: the pooled rows are appended to the unpooled
ones, with the positions of their groups and a mask under which they see the unpooled rows
alone. What the layer returns for the appended rows is what pooling the queries must give.
"""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from arc_encoder.model.encoder.encoder import PoolingEncoder
from arc_encoder.model.encoder.pooling import FusionPooling, LastPooling, MeanPooling, Pooling, SumPooling
from tests.tiny_models import ENCODER_FAMILIES, random_contexts, tiny_body

LENGTHS = [19, 7, 1]
POOLED = {
    MeanPooling: lambda group: group.mean(0),
    SumPooling: lambda group: group.sum(0),
    LastPooling: lambda group: group[-1],
    FusionPooling: lambda group: group.mean(0) / group.mean(0).norm() * group.norm(dim=-1).max(),
}


def additive(seen: Tensor) -> Tensor:
    return torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)[None, None]


def before_layer(body: PreTrainedModel, number: int, ids: Tensor, causal: bool) -> Tensor:
    """The hidden states (n, D) that reach layer `number`, under an explicit mask."""
    caught: list[Tensor] = []

    def catch(_module: torch.nn.Module, inputs: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
        caught.append(inputs[0] if inputs else kwargs["hidden_states"])

    handle = body.layers[number].register_forward_pre_hook(catch, with_kwargs=True)
    n = len(ids)
    mask = additive(torch.ones(n, n, dtype=torch.bool).tril() if causal else torch.ones(n, n, dtype=torch.bool))
    by_kind = "causal_mask_mapping" in inspect.getsource(type(body).forward)
    body(
        ids[None],
        attention_mask=dict.fromkeys(("full_attention", "sliding_attention"), mask) if by_kind else mask,
        use_cache=False,
    )
    handle.remove()
    return caught[0][0]


def run_layer(body: PreTrainedModel, number: int, rows: Tensor, positions: Tensor, seen: Tensor) -> Tensor:
    by_kind = "layer_type" in inspect.signature(body.rotary_emb.forward).parameters
    kind = (body.config.layer_types[number],) if by_kind else ()
    rotary = body.rotary_emb(rows[None], positions[None], *kind)
    output = body.layers[number](
        rows[None], attention_mask=additive(seen), position_embeddings=rotary, position_ids=positions[None]
    )
    return (output[0] if isinstance(output, tuple) else output)[0]


def reference(body: PreTrainedModel, pooling: Pooling, ids: Tensor, causal: bool) -> Tensor:
    """Vectors (m, D) of one context."""
    factors = pooling.factors()
    first = len(body.layers) - len(factors)
    hidden = before_layer(body, first, ids, causal)
    for number, factor in enumerate(factors, start=first):
        n = len(hidden)
        m = -(-n // factor)
        ends = torch.tensor([n // m + (i < n % m) for i in range(m)]).cumsum(0)
        starts = [0, *ends[:-1].tolist()]
        pooled = torch.stack([POOLED[type(pooling)](hidden[a:b]) for a, b in zip(starts, ends, strict=True)])
        groups = torch.arange(m)
        if pooling.where == "block":
            seen = torch.ones(m, m, dtype=torch.bool)
            hidden = run_layer(body, number, pooled, groups, seen.tril() if causal else seen)
        else:
            seen = torch.zeros(n + m, n + m, dtype=torch.bool)
            seen[:, :n] = True
            if causal:
                seen[n:, :n] = torch.arange(n) < ends[:, None]
            both = run_layer(body, number, torch.cat([hidden, pooled]), torch.cat([torch.arange(n), groups]), seen)
            hidden = both[n:]
    return hidden


@torch.no_grad()
def compare(family: str, pooling: Pooling, causal: bool, layers: int = 3) -> None:
    body = tiny_body(family, layers=layers, attention="eager")
    encoder = PoolingEncoder(tiny_body(family, layers=layers), pooling, causal=causal)
    ids, lengths = random_contexts(LENGTHS, padding=2)
    vectors, counts = encoder(ids, lengths)
    for row, length, count, tokens in zip(vectors, LENGTHS, counts.tolist(), ids, strict=True):
        expected = reference(body, pooling, tokens[:length], causal)
        assert len(expected) == count
        torch.testing.assert_close(row[:count], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("where", ["queries", "block"])
@pytest.mark.parametrize("family", ENCODER_FAMILIES)
def test_equals_the_familys_own_layer(family: str, where: str, causal: bool) -> None:
    compare(family, MeanPooling(4, where=where), causal)


@pytest.mark.parametrize("where", ["queries", "block"])
@pytest.mark.parametrize("kind", POOLED)
def test_every_operator(kind: type[Pooling], where: str) -> None:
    compare("llama", kind(4, where=where), causal=False)


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("schedule", [[2, 2], [2, 1, 2], [3, 2, 2]])
@pytest.mark.parametrize("family", ["llama", "gemma3", "smollm3"])
def test_schedules(family: str, schedule: list[int], causal: bool) -> None:
    factor = int(torch.tensor(schedule).prod())
    compare(family, MeanPooling(factor, schedule), causal, layers=4)


@torch.no_grad()
def test_pooling_between_attention_and_feed_forward() -> None:
    body = tiny_body(layers=2, attention="eager")
    pooling = MeanPooling(4, where="between")
    encoder = PoolingEncoder(tiny_body(layers=2), pooling)
    ids, lengths = random_contexts([10])
    hidden, layer = before_layer(body, 1, ids[0], causal=False), body.layers[1]
    attended: list[Tensor] = []
    handle = layer.post_attention_layernorm.register_forward_pre_hook(lambda _m, inputs: attended.append(inputs[0][0]))
    run_layer(body, 1, hidden, torch.arange(10), torch.ones(10, 10, dtype=torch.bool))
    handle.remove()
    pooled = torch.stack([attended[0][a:b].mean(0) for a, b in ((0, 4), (4, 7), (7, 10))])
    expected = pooled + layer.mlp(layer.post_attention_layernorm(pooled))
    torch.testing.assert_close(encoder(ids, lengths)[0][0], expected, rtol=1e-4, atol=1e-4)
