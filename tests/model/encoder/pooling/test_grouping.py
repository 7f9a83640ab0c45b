"""Balanced groups, against a loop over single contexts."""

from __future__ import annotations

import pytest
import torch

from arc_encoder.model.encoder.pooling.grouping import balanced_groups, gather_groups, group_counts


def sizes_by_hand(tokens: int, groups: int) -> list[int]:
    return [tokens // groups + (number < tokens % groups) for number in range(groups)]


@pytest.mark.parametrize(
    ("tokens", "factor", "sizes"),
    [
        (10, 4, [4, 3, 3]),
        (9, 8, [5, 4]),
        (3, 8, [3]),
        (1, 1, [1]),
        (8, 4, [4, 4]),
        (5, 1, [1] * 5),
        (7, 2, [2, 2, 2, 1]),
    ],
)
def test_examples(tokens: int, factor: int, sizes: list[int]) -> None:
    lengths = torch.tensor([tokens])
    groups = balanced_groups(lengths, group_counts(lengths, factor))
    assert groups.mask.sum(-1)[0].tolist() == sizes


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8, 50])
def test_all_lengths_in_one_batch(factor: int) -> None:
    lengths = torch.tensor([17, 1, 40, 2, 9, 8, 33, *range(1, 30)])
    counts = group_counts(lengths, factor)
    assert counts.tolist() == [-(-int(n) // factor) for n in lengths]
    groups = balanced_groups(lengths, counts)
    assert groups.mask.shape[1] == int(counts.max())
    for context, (n, m) in enumerate(zip(lengths.tolist(), counts.tolist(), strict=True)):
        sizes = sizes_by_hand(n, m)
        ends = torch.tensor(sizes).cumsum(0).tolist()
        missing = groups.mask.shape[1] - m
        assert groups.mask[context].sum(-1).tolist() == sizes + [0] * missing
        assert groups.ends[context].tolist() == ends + [0] * missing
        assert groups.index[context][groups.mask[context]].tolist() == list(range(n))
        for number in range(m):
            members = groups.index[context, number][groups.mask[context, number]]
            assert members.tolist() == list(range(ends[number] - sizes[number], ends[number]))
    assert int(groups.index.max()) < int(lengths.max())  # padding never points outside


def test_gather_puts_zeros_where_nothing_is() -> None:
    lengths = torch.tensor([5, 2])
    hidden = torch.randn(2, 6, 3)
    hidden[0, 5:] = hidden[1, 2:] = torch.nan  # padding
    groups = balanced_groups(lengths, torch.tensor([2, 1]))
    hidden = hidden.nan_to_num(1e6)
    gathered = gather_groups(hidden, groups)
    assert gathered.shape == (2, 2, 3, 3)
    assert torch.equal(gathered[0, 0], hidden[0, :3])
    assert torch.equal(gathered[0, 1], torch.cat([hidden[0, 3:5], torch.zeros(1, 3)]))
    assert torch.equal(gathered[1, 0], torch.cat([hidden[1, :2], torch.zeros(1, 3)]))
    assert not gathered[1, 1].any()
