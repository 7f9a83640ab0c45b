"""The mask that keeps packed contexts apart, as blocks: what torch finds in the dense one, and what its kernel computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from transformers.integrations import flex_attention as library

from arc_encoder.model.encoder.encoder import PoolingEncoder
from arc_encoder.model.encoder.padding import packing
from arc_encoder.model.encoder.padding.packing import dense_mask, document_blocks
from arc_encoder.model.encoder.pooling import MeanPooling
from tests.tiny_models import random_contexts, tiny_body


def documents_of(*lengths: int) -> Tensor:
    return torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    "lengths",
    [(3, 5), (128, 256, 128), (100, 300, 1, 1, 500, 20), (700,), (1,) * 200, (129, 127, 384), (640, 3, 61)],
)
def test_blocks_are_those_that_torch_finds_in_the_dense_mask(lengths: tuple[int, ...], causal: bool) -> None:
    documents = documents_of(*lengths)
    dense = dense_mask(documents, causal)
    rows = range(len(documents))
    slow = [[bool(documents[q] == documents[k]) and (k <= q or not causal) for k in rows[:40]] for q in rows[:40]]
    assert dense[0, 0, :40, :40].tolist() == slow
    blocks = document_blocks(documents, causal)
    expected: Any = create_block_mask(
        lambda b, h, q, k: dense[0, 0, q, k], None, None, len(documents), len(documents), device="cpu"
    )
    assert blocks.shape[-2:] == expected.shape[-2:] == dense.shape[-2:]
    for kind in ("kv", "full_kv", "q", "full_q"):
        counts, wanted = getattr(blocks, f"{kind}_num_blocks"), getattr(expected, f"{kind}_num_blocks")
        assert torch.equal(counts, wanted), kind
        listed, numbers = getattr(blocks, f"{kind}_indices"), getattr(expected, f"{kind}_indices")
        for row, count in enumerate(counts.flatten().tolist()):
            assert torch.equal(listed[0, 0, row, :count], numbers[0, 0, row, :count]), kind


@pytest.fixture
def flex(monkeypatch: pytest.MonkeyPatch) -> list[torch.dtype]:
    """Blocks on a CPU, where flex_attention runs without gradients and is not compiled here; the dtypes that it got."""
    dtypes = []

    def eager(query: Tensor, key: Tensor, value: Tensor, *, training: bool, **options: Any) -> Any:
        assert isinstance(options["block_mask"], BlockMask)
        dtypes.extend(tensor.dtype for tensor in (query, key, value))
        return flex_attention(query, key, value, **options)

    monkeypatch.setattr(library, "compile_friendly_flex_attention", eager)
    return dtypes


@torch.no_grad()
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3"])
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_gives_what_the_dense_mask_gives(
    family: str, causal: bool, flex: list[torch.dtype], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = PoolingEncoder(tiny_body(family, width=64), MeanPooling(4), causal=causal)
    encoder.pack()
    contexts = random_contexts([150, 1, 30, 80])
    dense, counts = encoder(*contexts)
    monkeypatch.setattr(packing, "dense_mask", document_blocks)
    blocks, _ = encoder(*contexts)
    assert flex == [torch.float32] * 6  # queries, keys and values of two layers
    real = torch.arange(dense.shape[1]) < counts[:, None]
    torch.testing.assert_close(blocks[real], dense[real], rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_computes_in_the_dtype_of_autocast(
    flex: list[torch.dtype], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rotary angles leave queries and keys in float32, and values are in bfloat16."""
    encoder = PoolingEncoder(tiny_body(width=64), MeanPooling(4))
    encoder.pack()
    monkeypatch.setattr(packing, "dense_mask", document_blocks)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        encoder(*random_contexts([30, 7]))
    assert flex == [torch.bfloat16] * 6
