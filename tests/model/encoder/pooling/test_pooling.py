"""Settings of poolings and what each operator computes from a group."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.encoder.pooling import FusionPooling, LastPooling, MeanPooling, MemoryTokens, Pooling, SumPooling


def fused(group: Tensor) -> Tensor:
    mean = group.mean(0)
    return mean / mean.norm() * max(row.norm() for row in group)


OPERATORS = {
    MeanPooling: lambda group: group.mean(0),
    SumPooling: lambda group: group.sum(0),
    LastPooling: lambda group: group[-1],
    FusionPooling: fused,
}


@pytest.mark.parametrize("kind", OPERATORS)
def test_operator_on_each_group(kind: type[Pooling]) -> None:
    pooling, lengths = kind(4), torch.tensor([10, 3, 1, 9])
    hidden = torch.randn(4, 12, 6)
    counts = pooling.output_lengths(lengths)
    assert counts.tolist() == [3, 1, 1, 3]
    pooled = pooling(hidden, lengths, counts)
    for context, sizes in enumerate([[4, 3, 3], [3], [1], [3, 3, 3]]):
        start = 0
        for number, size in enumerate(sizes):
            expected = OPERATORS[kind](hidden[context, start : start + size])
            torch.testing.assert_close(pooled[context, number], expected)
            start += size


def test_fusion_takes_the_norm_as_a_constant() -> None:
    hidden = torch.randn(1, 4, 6, requires_grad=True)
    lengths, counts = torch.tensor([4]), torch.tensor([1])
    direction = torch.randn(6)
    (FusionPooling(4)(hidden, lengths, counts)[0, 0] @ direction).backward()
    scale = max(row.norm() for row in hidden[0]) / hidden[0].mean(0).norm()
    expected = (scale.detach() / 4 * direction).expand(4, 6)
    torch.testing.assert_close(hidden.grad[0], expected)


def test_fusion_of_opposite_rows_is_finite() -> None:
    row = torch.randn(6)
    pooled = FusionPooling(2)(torch.stack([row, -row])[None], torch.tensor([2]), torch.tensor([1]))
    assert pooled.isfinite().all()


def test_plan_of_a_schedule() -> None:
    pooling = MeanPooling(8, [2, 1, 2, 2])
    assert pooling.factors() == [2, 1, 2, 2]
    steps = [step.tolist() for step in pooling.stage_lengths(torch.tensor([17, 1, 8]))]
    assert steps == [[17, 1, 8], [9, 1, 4], [9, 1, 4], [5, 1, 2], [3, 1, 1]]


def test_factor_can_be_chosen_at_each_call() -> None:
    pooling, lengths = MeanPooling(8), torch.tensor([17, 3])
    assert pooling.output_lengths(lengths).tolist() == [3, 1]
    assert pooling.output_lengths(lengths, 4).tolist() == [5, 1]
    assert pooling.output_lengths(lengths, 1).tolist() == [17, 3]


@pytest.mark.parametrize("factor", [0, -2])
def test_factor_below_one(factor: int) -> None:
    with pytest.raises(ConfigError, match=f"pooling factor {factor}"):
        MeanPooling(factor)
    with pytest.raises(ConfigError, match=f"pooling factor {factor}"):
        MeanPooling(4).output_lengths(torch.tensor([9]), factor)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ([2, 2], "[2, 2] pools by 4 in all, but factor is 8"),
        ([8, 0], "holds 0"),
        ([-2, -4], "holds -2"),
        ([], "[] pools by 1"),
    ],
)
def test_schedule_that_cannot_be(schedule: list[int], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        MeanPooling(8, schedule)


def test_schedule_fixes_the_factor() -> None:
    pooling = MeanPooling(4, [2, 2])
    assert pooling.factors(4) == [2, 2]
    with pytest.raises(ConfigError, match=r"factor 8 cannot be chosen: the schedule \[2, 2\] fixes it to 4"):
        pooling.factors(8)


def test_unknown_place() -> None:
    with pytest.raises(ConfigError, match=r"'somewhere'.*queries, block, between"):
        MeanPooling(4, where="somewhere")


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(CheckpointError, match=r"'NoSuchPooling'.*LastPooling, MeanPooling"):
        Pooling.from_settings("NoSuchPooling", {})


def test_memory_tokens_stand_after_each_context() -> None:
    pooling = MemoryTokens(3)
    pooling.setup(5)
    with torch.no_grad():
        pooling.embeddings.copy_(torch.randn(3, 5))
    embeddings, lengths = torch.randn(2, 4, 5), torch.tensor([4, 1])
    longer, rows = pooling.extend(embeddings, lengths)
    assert rows.tolist() == [7, 4]
    assert torch.equal(longer[0, :7], torch.cat([embeddings[0], pooling.embeddings]))
    assert torch.equal(longer[1, :4], torch.cat([embeddings[1, :1], pooling.embeddings]))
    chosen, counts = pooling.select(longer, rows, [])
    assert counts.tolist() == [3, 3]
    assert torch.equal(chosen, pooling.embeddings.expand(2, 3, 5))


def test_fewer_memory_tokens_are_the_first_ones() -> None:
    pooling = MemoryTokens(3, used=2)
    pooling.setup(5)
    with torch.no_grad():
        pooling.embeddings.copy_(torch.randn(3, 5))
    longer, rows = pooling.extend(torch.randn(1, 4, 5), torch.tensor([4]))
    assert torch.equal(longer[0, 4:], pooling.embeddings[:2])
    chosen, counts = pooling.select(longer, rows, [])
    assert counts.tolist() == [2]
    assert torch.equal(chosen[0], pooling.embeddings[:2])


@pytest.mark.parametrize(("count", "used"), [(0, None), (4, 0), (4, 5)])
def test_memory_token_numbers_that_cannot_be(count: int, used: int | None) -> None:
    with pytest.raises(ConfigError, match=f"count={count}" if used is None else f"used={used}.*count={count}"):
        MemoryTokens(count, used)


def test_memory_tokens_have_no_factor() -> None:
    with pytest.raises(ConfigError, match="no pooling factor"):
        MemoryTokens(4).output_lengths(torch.tensor([9]), 8)
