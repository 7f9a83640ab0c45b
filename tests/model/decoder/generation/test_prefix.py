"""A beginning that prompts share."""

from __future__ import annotations

import torch

from arc_encoder.model.decoder.generation.prefix import SHORTEST, left_padded, shared_beginning


def rows(lengths: list[int], alike: int, width: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(len(lengths), max(lengths), width, generator=generator)
    embeddings[:, :alike] = embeddings[:1, :alike]
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return embeddings * mask[..., None], mask


def test_it_is_as_long_as_all_rows_are_alike() -> None:
    assert shared_beginning(*rows([40, 50, 45], 30)) == 30


def test_every_row_keeps_something_to_read() -> None:
    assert shared_beginning(*rows([21, 50], 30)) == 20
    same, mask = rows([30, 30], 30)
    assert shared_beginning(same, mask) == 29


def test_what_is_not_worth_it_is_not_shared() -> None:
    assert shared_beginning(*rows([40, 50], SHORTEST - 1)) == 0
    assert shared_beginning(*rows([40, 50], SHORTEST)) == SHORTEST
    assert shared_beginning(*rows([40], 40)) == 0


def test_likeness_after_a_difference_does_not_count() -> None:
    embeddings, mask = rows([60, 60], 50)
    embeddings[1, 20] += 1
    assert shared_beginning(embeddings, mask) == 20


def test_padding_moves_behind_the_beginning() -> None:
    embeddings, mask = rows([20, 24], 16)
    moved, real = left_padded(embeddings, mask, 16)
    assert real[0].tolist() == [True] * 16 + [False] * 4 + [True] * 4
    assert torch.equal(moved[0][real[0]], embeddings[0, :20])
    assert torch.equal(moved[1], embeddings[1])
    moved, real = left_padded(embeddings, mask, 0)
    assert real[0].tolist() == [False] * 4 + [True] * 20
