"""Bootstrap over examples or, where several are about one article, over articles.

Questions about one article share its difficulty. Drawn one by one they look like more evidence than they are, so
articles are drawn whole (the cluster bootstrap; Davison and Hinkley, "Bootstrap methods", 1997, §3.8). All scores of
this project are functions of sums over examples, so an article is the sum of its examples.

N examples, U units that are drawn, K sums of an example.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def by_article(statistics: Tensor, articles: Sequence[str] = ()) -> Tensor:
    """Sums of each article.

    Args:
        statistics: (N, K), one row an example.
        articles: N names; an example without a name is its own article. No names at all: each example is.

    Returns:
        (U, K), in the order in which articles appear.

    Raises:
        ValueError: not as many names as examples.
    """
    if not any(articles):
        return statistics
    if len(articles) != len(statistics):
        raise ValueError(f"{len(articles)} articles were given for {len(statistics)} examples")
    keys = [name or place for place, name in enumerate(articles)]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    places = torch.tensor([numbers[key] for key in keys])
    return statistics.new_zeros(len(numbers), statistics.shape[1]).index_add(0, places, statistics)


def draws_of(units: int, draws: int, seed: int) -> Iterator[Tensor]:
    """`draws` times `units` places, drawn with replacement."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(draws):
        yield torch.randint(units, (units,), generator=generator)


def interval_of(values: Tensor, level: float = 0.95) -> tuple[float, float]:
    """Between which the share `level` of the draws is."""
    edge = (1 - level) / 2
    low, high = values.quantile(torch.tensor([edge, 1 - edge], dtype=values.dtype)).tolist()
    return low, high
