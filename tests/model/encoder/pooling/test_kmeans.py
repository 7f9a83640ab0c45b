"""K-means pooling: clusters of similar states, wherever they are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.encoder.encoder import PoolingEncoder
from arc_encoder.model.encoder.pooling import KMeansPooling, MeanPooling
from tests.tiny_models import WIDTH, random_contexts, tiny_body


def pool(rows: Tensor, factor: int, iterations: int = 10) -> Tensor:
    """One context (n, D) by itself: (m, D)."""
    pooling, lengths = KMeansPooling(factor, iterations=iterations), torch.tensor([len(rows)])
    return pooling(rows[None], lengths, pooling.output_lengths(lengths))[0]


def slowly(rows: Tensor, factor: int, iterations: int = 10) -> list[list[int]]:
    """Members of each cluster of one context, token by token."""
    count, groups, start = -(-len(rows) // factor), [], 0
    for number in range(count):
        size = len(rows) // count + (number < len(rows) % count)
        groups.append(list(range(start, start + size)))
        start += size
    clusters = groups
    for _ in range(iterations):
        centres = [rows[members].mean(0) for members in clusters]
        found: list[list[int]] = [[] for _ in groups]
        for token, row in enumerate(rows):
            distances = [float((row - centre).norm()) for centre in centres]
            found[distances.index(min(distances))].append(token)
        clusters = [members or group for members, group in zip(found, groups, strict=True)]
    return sorted(clusters, key=lambda members: members[0])


def test_repeated_tokens_far_apart_become_one_vector() -> None:
    kinds = torch.eye(3, 8) * 10
    order = ["AAB", "ACC", "BBC"]  # groups of neighbours mix them
    rows = torch.stack([kinds["ABC".index(letter)] for letter in "".join(order)])
    torch.testing.assert_close(pool(rows, 3), kinds)  # in the order in which they first appear
    assert (MeanPooling(3)(rows[None], torch.tensor([9]), torch.tensor([3]))[0] - kinds).abs().max() > 1


@pytest.mark.parametrize("factor", [2, 3, 4, 100])
def test_the_clusters_are_those_of_a_slow_computation(factor: int) -> None:
    lengths = torch.tensor([23, 1, 9, 4, 40])
    hidden = torch.randn(5, 43, 6, generator=torch.Generator().manual_seed(factor))
    pooling = KMeansPooling(factor)
    counts = pooling.output_lengths(lengths)
    pooled = pooling(hidden, lengths, counts)
    for rows, n, found, count in zip(hidden, lengths.tolist(), pooled, counts.tolist(), strict=True):
        expected = torch.stack([rows[members].mean(0) for members in slowly(rows[:n], factor)])
        assert len(expected) == count
        torch.testing.assert_close(found[:count], expected)


def test_a_cluster_that_loses_its_members_is_its_group_of_neighbours_again() -> None:
    rows = torch.tensor([[0.0], [10.0], [5.0], [5.0], [11.0], [13.0]])
    # Centres 5, 5 and 12: the first takes 0, 5 and 5, the third 10, 11 and 13, the second nothing.
    torch.testing.assert_close(pool(rows, 2, iterations=1), torch.tensor([[10 / 3], [34 / 3], [5.0]]))
    # Its centre is then 5 alone, and the two fives come back.
    torch.testing.assert_close(pool(rows, 2), torch.tensor([[0.0], [34 / 3], [5.0]]))


def test_states_that_are_all_the_same() -> None:
    row = torch.randn(8)
    torch.testing.assert_close(pool(row.expand(10, 8), 4), row.expand(3, 8))


def test_the_same_states_give_the_same_vectors() -> None:
    rows = torch.randn(64, 8)
    first = pool(rows, 4)
    torch.manual_seed(1)
    assert torch.equal(pool(rows, 4), first)


def test_the_gradient_goes_to_the_members_alone() -> None:
    rows = torch.randn(13, 6, generator=torch.Generator().manual_seed(3))
    clusters = slowly(rows, 4)
    assert any(members != list(range(members[0], members[-1] + 1)) for members in clusters)  # not neighbours
    hidden = torch.cat([rows, torch.full((2, 6), torch.nan)])[None].requires_grad_()
    pooled = KMeansPooling(4)(hidden, torch.tensor([13]), torch.tensor([4]))
    for number, members in enumerate(clusters):
        (gradient,) = torch.autograd.grad(pooled[0, number].sum(), hidden, retain_graph=True)
        expected = torch.zeros(15)
        expected[members] = 1 / len(members)
        torch.testing.assert_close(gradient[0], expected[:, None].expand(15, 6))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_dtype_is_kept(dtype: torch.dtype) -> None:
    rows = torch.randn(32, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    expected = torch.stack([rows[members].float().mean(0) for members in slowly(rows.float(), 4)])
    pooled = pool(rows, 4)
    assert pooled.dtype == dtype
    torch.testing.assert_close(pooled.float(), expected.to(dtype).float(), rtol=1e-2, atol=1e-2)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(pool(rows, 4), pooled)


@torch.no_grad()
@pytest.mark.parametrize("where", ["queries", "block", "between"])
def test_factor_one_is_the_plain_layer(where: str) -> None:
    ids, lengths = random_contexts([13, 1, 9])
    plain = PoolingEncoder(tiny_body(), MeanPooling(1, where=where))(ids, lengths)[0]
    found = PoolingEncoder(tiny_body(), KMeansPooling(1, where=where))(ids, lengths)[0]
    assert found.shape == (3, 13, WIDTH)
    for row, other, n in zip(found, plain, lengths.tolist(), strict=True):
        torch.testing.assert_close(row[:n], other[:n])


def test_a_causal_mask_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"KMeansPooling cannot be causal.*make the encoder bidirectional"):
        PoolingEncoder(tiny_body(), KMeansPooling(4), causal=True)


def test_fewer_steps_than_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="iterations=0 must be at least 1"):
        KMeansPooling(4, iterations=0)
