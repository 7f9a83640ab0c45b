"""Whether two systems differ on the same examples, beyond chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from arc_encoder.errors import DataError
from arc_encoder.evaluation.corpus_scores import bleu_of, bleu_statistics

# metric of a whole corpus → (predictions, answers) → what is counted in each example; and its score
CORPUS: dict[str, tuple[Callable[..., Tensor], Callable[[Tensor], float]]] = {"bleu": (bleu_statistics, bleu_of)}
Example = Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """A metric of two systems on the same examples.

    Attributes:
        metric: its name.
        examples: how many both have.
        first, second: values.
        difference: first − second.
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
    first: Sequence[Example], second: Sequence[Example], metric: str, *, draws: int = 10_000, seed: int = 0
) -> Comparison:
    """Compare two systems by a metric on the examples that both answered.

    The interval comes from drawing examples with replacement, the p-value from exchanging the two systems'
    answers at random, example by example; both keep pairs together.

    Args:
        first, second: lines of the two examples files.
        metric: name of a metric that both have.
        draws: of both procedures (a tenth of them for a metric of the whole corpus).
        seed: of the draws.

    Raises:
        DataError: no common example, or the metric is missing.
    """
    ours, theirs = ({str(example["id"]): example for example in each} for each in (first, second))
    common = [name for name in ours if name in theirs]
    if not common:
        raise DataError("the two have no example in common; compare systems that were asked the same questions")
    for each in (ours, theirs):
        if metric not in each[common[0]]:
            known = [key for key, value in each[common[0]].items() if isinstance(value, int | float)]
            raise DataError(f"the examples have no metric {metric!r}; they have: {', '.join(known)}")
    a, score = _counted([ours[name] for name in common], metric)
    b, _ = _counted([theirs[name] for name in common], metric)
    draws = draws // 10 if metric in CORPUS else draws
    generator = torch.Generator().manual_seed(seed)
    observed = score(a) - score(b)
    differences, extreme = [], 0
    for _ in range(draws):
        drawn = torch.randint(len(common), (len(common),), generator=generator)
        differences.append(score(a[drawn]) - score(b[drawn]))
        swapped = torch.rand(len(common), 1, generator=generator) < 0.5
        left, right = torch.where(swapped, b, a), torch.where(swapped, a, b)
        extreme += abs(score(left) - score(right)) >= abs(observed) - 1e-9
    edges = (
        torch.tensor(differences, dtype=torch.float64)
        .nan_to_num()
        .quantile(torch.tensor([0.025, 0.975], dtype=torch.float64))
    )
    return Comparison(
        metric, len(common), score(a), score(b), observed, float(edges[0]), float(edges[1]), (extreme + 1) / (draws + 1)
    )


def _counted(examples: Sequence[Example], metric: str) -> tuple[Tensor, Callable[[Tensor], float]]:
    if metric in CORPUS:
        count, score = CORPUS[metric]
        return count([each["answer"] for each in examples], [each["accepted"] for each in examples]), score
    weights = [float(each.get("weights", {}).get(metric, 1.0)) for each in examples]
    pairs = [[float(each[metric]) * weight, weight] for each, weight in zip(examples, weights, strict=True)]
    return torch.tensor(pairs, dtype=torch.float64), _weighted_mean


def _weighted_mean(pairs: Tensor) -> float:
    total = float(pairs[:, 1].sum())
    return float(pairs[:, 0].sum()) / total if total else float("nan")
