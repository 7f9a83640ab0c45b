"""Scores of a whole corpus, which are no mean over examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch


def bleu_statistics(predictions: Sequence[str], answers: Sequence[Sequence[str]]) -> torch.Tensor:
    """What BLEU (sacreBLEU, 13a, lower-cased) counts in each example: (N, 10), by order right and in all, lengths."""
    from sacrebleu.metrics.bleu import BLEU

    scorer: Any = BLEU(lowercase=True, effective_order=True)  # the order changes the sentence's score alone
    rows = []
    for prediction, accepted in zip(predictions, answers, strict=True):
        found = scorer.sentence_score(prediction, list(accepted))
        rows.append([*found.counts, *found.totals, found.sys_len, found.ref_len])
    return torch.tensor(rows, dtype=torch.float64)


def bleu_of(statistics: torch.Tensor) -> float:
    """BLEU of the examples together, in percent."""
    from sacrebleu.metrics.bleu import BLEU

    counted = [int(value) for value in statistics.sum(0).tolist()]
    scorer: Any = BLEU
    return float(scorer.compute_bleu(counted[:4], counted[4:8], counted[8], counted[9], "exp").score)


def bleu_interval(
    predictions: Sequence[str],
    answers: Sequence[Sequence[str]],
    *,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Corpus BLEU with its bootstrap percentile interval over examples: value, lower and upper bound."""
    statistics = bleu_statistics(predictions, answers)
    drawn = torch.randint(len(statistics), (draws, len(statistics)), generator=torch.Generator().manual_seed(seed))
    scores = torch.tensor([bleu_of(statistics[rows]) for rows in drawn], dtype=torch.float64)
    edge = (1 - level) / 2
    low, high = scores.quantile(torch.tensor([edge, 1 - edge], dtype=torch.float64)).tolist()
    return bleu_of(statistics), low, high


# metric → (predictions, accepted answers) → value, lower and upper bound
CORPUS: dict[str, Callable[[Sequence[str], Sequence[Sequence[str]]], tuple[float, float, float]]] = {
    "bleu": bleu_interval
}
