"""Grouped attention computes what PyTorch's kernel computes, and is taken only where it is faster."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from arc_encoder.model.language_models import grouped_attention as module
from arc_encoder.model.language_models.grouped_attention import NAME, grouped_attention, use_grouped_attention
from tests.tiny_models import tiny_language_model


class Layer(nn.Module):
    def __init__(self, group: int, causal: bool = True) -> None:
        super().__init__()
        self.num_key_value_groups, self.is_causal = group, causal


def inputs(rows: int, heads: int, shared: int, queries: int, keys: int, dtype: torch.dtype) -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    shapes = ((heads, queries), (shared, keys), (shared, keys))
    return [torch.randn(rows, each, length, 16, generator=draw).to(dtype) for each, length in shapes]


def padded(rows: int, queries: int, keys: int) -> Tensor:
    """Causal, with padding on the left of every row but the first."""
    seen = torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries).repeat(rows, 1, 1, 1)
    seen[1:, ..., :2] = False
    return seen


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[torch.dtype]:
    """The dtypes of the calls that were not left to PyTorch's kernel."""
    found: list[torch.dtype] = []
    own = module._attend

    def noted(query: Tensor, *rest: Any) -> Tensor:
        found.append(query.dtype)
        return own(query, *rest)

    monkeypatch.setattr(module, "_attend", noted)
    return found


@pytest.mark.parametrize(("heads", "shared"), [(6, 2), (4, 4), (3, 1)])
@pytest.mark.parametrize("mask", ["none", "bool", "added", "by head"])
@pytest.mark.parametrize("queries", [1, 3])
def test_steps_of_generation(taken: list[torch.dtype], heads: int, shared: int, mask: str, queries: int) -> None:
    query, key, value = inputs(3, heads, shared, queries, 9, torch.float32)
    seen = padded(3, queries, 9)
    added = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
    by_head = added.repeat(1, heads, 1, 1) + torch.arange(heads)[:, None, None] * 0.1 * torch.arange(9)
    given = {"none": None, "bool": seen, "added": added, "by head": by_head}[mask]
    layer = Layer(heads // shared)
    # Without a mask the kernel takes the first key for the first query's own; here the last keys are the queries' own.
    expected, _ = sdpa_attention_forward(layer, query, key, value, padded(1, queries, 9) if given is None else given)
    found, weights = grouped_attention(layer, query, key, value, given)
    assert weights is None
    assert taken == [torch.float32]
    assert found.shape == (3, queries, heads, 16)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("causal", [True, False])
def test_gradients_in_bfloat16(taken: list[torch.dtype], causal: bool) -> None:
    seen = padded(2, 12, 12)
    grads = []
    for attend in (sdpa_attention_forward, grouped_attention):
        leaves = [each.requires_grad_() for each in inputs(2, 6, 2, 12, 12, torch.bfloat16)]
        mask = seen if causal else None
        out, _ = attend(Layer(3, causal=causal), *leaves, mask)
        out = out[:, 2:]  # the first two see nothing in a padded row
        out.float().square().sum().backward()
        grads.append([out, *(each.grad for each in leaves)])
    assert taken == [torch.bfloat16]
    for found, expected in zip(grads[1], grads[0], strict=True):
        assert found is not None
        torch.testing.assert_close(found, expected, atol=6e-2, rtol=6e-2)


def test_in_autocast_it_computes_in_the_dtype_of_the_kernel(taken: list[torch.dtype]) -> None:
    query, key, value = (each.requires_grad_() for each in inputs(2, 6, 2, 12, 12, torch.float32))
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = grouped_attention(Layer(3), query, key, value.bfloat16(), padded(2, 12, 12))
        expected, _ = sdpa_attention_forward(Layer(3), query, key, value.bfloat16(), padded(2, 12, 12))
    assert found.dtype == expected.dtype == torch.bfloat16
    assert taken == [torch.bfloat16]


@pytest.mark.parametrize(
    ("queries", "dtype", "gradient", "options"),
    [
        (12, torch.float32, False, {}),  # reading a prompt
        (12, torch.float32, True, {}),
        (12, torch.bfloat16, False, {}),
        (1, torch.float16, False, {}),
        (1, torch.float32, False, {"dropout": 0.5}),
    ],
)
def test_the_rest_is_left_to_the_kernel(
    taken: list[torch.dtype], queries: int, dtype: torch.dtype, gradient: bool, options: dict[str, Any]
) -> None:
    query, key, value = (each.requires_grad_(gradient) for each in inputs(2, 6, 2, queries, 12, dtype))
    torch.manual_seed(0)
    found, _ = grouped_attention(Layer(3), query, key, value, padded(2, queries, 12), **options)
    torch.manual_seed(0)
    expected, _ = sdpa_attention_forward(Layer(3), query, key, value, padded(2, queries, 12), **options)
    assert torch.equal(found, expected)
    assert taken == []


def test_weights_that_would_fill_the_memory_are_not_kept(
    taken: list[torch.dtype], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 2 * 6 * 12 * 12 * 2 - 1)
    query, key, value = (each.requires_grad_() for each in inputs(2, 6, 2, 12, 12, torch.bfloat16))
    grouped_attention(Layer(3), query, key, value, padded(2, 12, 12))
    assert taken == []


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3"])
def test_a_model_says_the_same(taken: list[torch.dtype], family: str) -> None:
    model = tiny_language_model(family, attention="sdpa")
    ids = torch.randint(0, 50, (3, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1:, :3] = 0
    options: dict[str, Any] = {"attention_mask": mask, "max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
    with torch.no_grad():
        expected = model.generate(ids, **options)
        use_grouped_attention(model)
        assert model.config._attn_implementation == NAME
        assert torch.equal(model.generate(ids, **options), expected)
    assert len(taken) == 5 * model.config.get_text_config().num_hidden_layers  # the prompt is read by the kernel


def test_what_was_chosen_stays() -> None:
    model = tiny_language_model(attention="eager")
    use_grouped_attention(model)
    assert model.config._attn_implementation == "eager"
