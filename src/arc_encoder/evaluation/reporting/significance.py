"""Whether two systems differ on the same examples, beyond chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from arc_encoder.core.errors import DataError
from arc_encoder.evaluation.metrics.corpus import bleu_of, bleu_statistics
from arc_encoder.evaluation.metrics.resampling import by_article, interval_of
from arc_encoder.evaluation.reporting.reading.material import by_id, metrics_of, weight_of

# metric of a whole corpus → (predictions, answers) → what is counted in each example; and its score
CORPUS: dict[str, tuple[Callable[..., Tensor], Callable[[Tensor], float]]] = {"bleu": (bleu_statistics, bleu_of)}
Example = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """A metric of two systems on the same examples.

    Attributes:
        low, high: paired bootstrap interval of the difference, 95 %.
        p_value: chance of a difference at least as large if the two were alike (paired randomisation test).
    """

    metric: str
    examples: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    p_value: float


def compare(
    first: Sequence[Example],
    second: Sequence[Example],
    metric: str,
    *,
    names: tuple[str, str] = ("the first", "the second"),
    draws: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare two systems by a metric on the examples that both answered.

    The interval comes from drawing examples with replacement, the p-value from exchanging the two systems'
    answers at random, example by example; both keep pairs together, and examples of one article.

    Raises:
        DataError: no common example, the metric is missing, or no example of one side has a value of it.
    """
    ours, theirs = by_id(first), by_id(second)
    common = [name for name in ours if name in theirs]
    if not common:
        raise DataError("the two have no example in common; compare systems that were asked the same questions")
    pairs = [[each[name] for name in common] for each in (ours, theirs)]
    for name, examples in zip(names, pairs, strict=True):
        known = metrics_of(examples)
        if metric not in known:
            raise DataError(f"the examples of {name} have no metric {metric!r}; they have: {', '.join(known)}")
        if not any(weight_of(each, metric) for each in examples):
            raise DataError(
                f"no example of {name} has a value of {metric}, among those in common; compare another metric"
            )
    (a, score), (b, _) = (_counted(each, metric) for each in pairs)
    articles = [str(each.get("article", "")) for each in pairs[0]]
    a, b = by_article(a, articles), by_article(b, articles)
    draws = draws // 10 if metric in CORPUS else draws
    generator = torch.Generator().manual_seed(seed)
    observed = score(a) - score(b)
    differences, exchanged = [], []
    for _ in range(draws):
        drawn = torch.randint(len(a), (len(a),), generator=generator)
        differences.append(score(a[drawn]) - score(b[drawn]))
        swapped = torch.rand(len(a), 1, generator=generator) < 0.5
        left, right = torch.where(swapped, b, a), torch.where(swapped, a, b)
        exchanged.append(score(left) - score(right))
    drawn = torch.tensor(_defined(differences), dtype=torch.float64)
    low, high = interval_of(drawn) if len(drawn) else (math.nan, math.nan)
    kept = _defined(exchanged)
    extreme = sum(abs(each) >= abs(observed) - 1e-9 for each in kept)
    return Comparison(metric, len(common), score(a), score(b), observed, low, high, (extreme + 1) / (len(kept) + 1))


def _defined(values: Sequence[float]) -> list[float]:
    """Those of draws in which both sides have an example with a weight; the others say nothing."""
    return [value for value in values if not math.isnan(value)]


def _counted(examples: Sequence[Example], metric: str) -> tuple[Tensor, Callable[[Tensor], float]]:
    if metric in CORPUS:
        count, score = CORPUS[metric]
        return count([each["answer"] for each in examples], [each["accepted"] for each in examples]), score
    weights = [weight_of(each, metric) for each in examples]
    pairs = [[float(each[metric]) * weight, weight] for each, weight in zip(examples, weights, strict=True)]
    return torch.tensor(pairs, dtype=torch.float64), _weighted_mean


def _weighted_mean(pairs: Tensor) -> float:
    total = float(pairs[:, 1].sum())
    return float(pairs[:, 0].sum()) / total if total else math.nan
