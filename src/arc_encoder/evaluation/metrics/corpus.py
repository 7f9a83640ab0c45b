"""Scores of a whole corpus, which are no mean over examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from arc_encoder.evaluation.metrics.resampling import by_article, draws_of, interval_of


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
    articles: Sequence[str] = (),
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Corpus BLEU with its bootstrap percentile interval over examples, or articles: value, lower and upper bound."""
    statistics = bleu_statistics(predictions, answers)
    units = by_article(statistics, articles)
    scores = torch.tensor([bleu_of(units[rows]) for rows in draws_of(len(units), draws, seed)], dtype=torch.float64)
    return bleu_of(statistics), *interval_of(scores, level)


# metric → (predictions, accepted answers, articles=) → value, lower and upper bound
CORPUS: dict[str, Callable[..., tuple[float, float, float]]] = {"bleu": bleu_interval}
