"""What falling back is worth: accuracy against positions, for documents replaced by their risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc

from arc_encoder.inference.fallback.probe import AnswerProbe
from arc_encoder.tools.studies.readings import Readings

SHARES = tuple(share / 20 for share in range(21))  # of documents that are replaced, the riskiest first
DRAWS = 1000  # of the bootstrap


@dataclass(frozen=True)
class Point:
    """One policy.

    Attributes:
        share: of documents that were replaced.
        positions: that a document takes on average.
        accuracy: percent of answers that are right.
    """

    share: float
    positions: float
    accuracy: float


def losses(readings: Mapping[str, Readings]) -> dict[str, Tensor]:
    """For each factor, (N,) whether the text's answer is right and the vectors' is wrong."""
    text = readings["text"].right
    return {name: text & ~each.right for name, each in readings.items() if name != "text"}


def fit_probe(readings: Mapping[str, Readings], *, encoder: str, decoder_name: str, seed: int) -> AnswerProbe:
    """A probe that learned from all factors together.

    Raises:
        DataError: too few answers that are lost, or that are not.
    """
    lost = losses(readings)
    features = torch.cat([f for name in lost if (f := readings[name].features) is not None])
    return AnswerProbe.fit(
        features, torch.cat(list(lost.values())), encoder=encoder, decoder_name=decoder_name, seed=seed
    )


def auc(risk: Tensor, lost: Tensor, seed: int = 0) -> tuple[float, float, float]:
    """Area under the ROC curve, with its bootstrap interval of 95 %; NaN where all or none are lost."""
    generator = torch.Generator().manual_seed(seed)
    draws = []
    for _ in range(DRAWS):
        places = torch.randint(len(lost), (len(lost),), generator=generator)
        if 0 < int(lost[places].sum()) < len(lost):
            draws.append(float(binary_auroc(risk[places], lost[places].long())))
    if not 0 < int(lost.sum()) < len(lost) or not draws:
        return (float("nan"),) * 3
    low, high = torch.tensor(draws).quantile(torch.tensor([0.025, 0.975])).tolist()
    return float(binary_auroc(risk, lost.long())), low, high


def curve(base: Readings, instead: Readings, risk: Tensor) -> list[Point]:
    """The riskiest documents read in another way, from none to all of them."""
    order = risk.argsort(descending=True, stable=True)
    found = []
    for share in SHARES:
        replaced = torch.zeros(len(order), dtype=torch.bool)
        replaced[order[: round(share * len(order))]] = True
        right = torch.where(replaced, instead.right, base.right).float().mean()
        positions = torch.where(replaced, instead.positions, base.positions).mean()
        found.append(Point(share, float(positions), 100 * float(right)))
    return found


def at(points: list[Point], positions: float) -> float | None:
    """Accuracy of a curve at a number of positions, between two of its points; None outside."""
    for before, after in pairwise(points):
        low, high = sorted([before, after], key=lambda point: point.positions)
        if low.positions <= positions <= high.positions:
            if high.positions == low.positions:
                return max(low.accuracy, high.accuracy)
            part = (positions - low.positions) / (high.positions - low.positions)
            return low.accuracy + part * (high.accuracy - low.accuracy)
    return None
