"""Scores of one answer against its accepted answers, and bootstrap confidence intervals.

Exact match and F1 are SQuAD's: lower case, no ASCII punctuation, no articles, white space folded; the best over all
accepted answers counts. Exact match is torchmetrics'. Its F1 is not the method's: it has float32 alone, and other
values for yes, no and answers without a word; so that one is ours.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import regex
import torch
from torchmetrics.functional.text import squad

from arc_encoder.evaluation.metrics.resampling import by_article, draws_of, interval_of

_WORD = regex.compile(r"[\p{L}\p{N}\p{M}]+|[^\p{Z}\p{C}]")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """SQuAD normalisation of an answer."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """100 if the normalised prediction equals a normalised answer, else 0."""
    accepted: Any = {"answers": {"answer_start": [0] * len(answers), "text": list(answers)}, "id": "0"}
    return float(squad({"prediction_text": prediction, "id": "0"}, accepted)["exact_match"])


def f1(prediction: str, answers: Sequence[str]) -> float:
    """Largest F1 of the normalised words over all answers, in percent."""
    return 100.0 * max(_word_f1(normalise(prediction), normalise(answer)) for answer in answers)


def rouge_l(prediction: str, answers: Sequence[str]) -> float:
    """Largest ROUGE-L F-measure, with stemmer, over all answers, in percent."""
    scorer = _rouge_scorer()
    return 100.0 * max(scorer.score(answer, prediction)["rougeL"].fmeasure for answer in answers)


def bleu(prediction: str, answers: Sequence[str]) -> float:
    """BLEU of one answer (sacreBLEU, 13a, lower-cased), in percent; 0 below four words, which have no 4-gram."""
    from sacrebleu import corpus_bleu

    return float(corpus_bleu([prediction], [[answer] for answer in answers], lowercase=True).score)


def substring_match(prediction: str, answers: Sequence[str]) -> float:
    """100 if the words of an answer occur in the prediction, one after the other, else 0 (xRAG's accuracy)."""
    words = _words(prediction)
    return 100.0 * any(_stands_in(_words(answer), words) for answer in answers)


METRICS: dict[str, Callable[[str, Sequence[str]], float]] = {
    "exact_match": exact_match,
    "f1": f1,
    "rouge_l": rouge_l,
    "bleu": bleu,
    "substring_match": substring_match,
}


def confidence_interval(
    numerators: Sequence[float],
    weights: Sequence[float] | None = None,
    *,
    articles: Sequence[str] = (),
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Mean and bootstrap percentile interval over examples.

    Args:
        numerators: one value an example (for a weighted mean: already multiplied by its weight).
        weights: one weight an example; 1 each by default.
        articles: what each example is about; those of one article are drawn together (see `resampling`).

    Returns:
        mean, lower bound, upper bound. Draws whose weights are all 0 are left out.
    """
    values = torch.tensor(list(numerators), dtype=torch.float64)
    weight = torch.ones_like(values) if weights is None else torch.tensor(list(weights), dtype=torch.float64)
    units = by_article(torch.stack([values, weight], 1), articles)
    sums = torch.stack([units[rows].sum(0) for rows in draws_of(len(units), draws, seed)])
    known = sums[sums[:, 1] > 0]
    low, high = interval_of(known[:, 0] / known[:, 1], level)
    return float(values.sum() / weight.sum()), low, high


def _word_f1(predicted: str, expected: str) -> float:
    if predicted != expected and not {predicted, expected}.isdisjoint(("yes", "no", "noanswer")):
        return 0.0  # half of "yes, it is" is no half of an answer (HotpotQA's rule)
    words, wanted = predicted.split(), expected.split()
    common = sum((Counter(words) & Counter(wanted)).values())
    return 2 * common / (len(words) + len(wanted)) if common else 0.0


def _words(text: str) -> list[str]:
    """Lower-cased words and signs: runs of letters, digits and marks, and every other visible character."""
    return [word.lower() for word in _WORD.findall(unicodedata.normalize("NFD", text))]


def _stands_in(part: list[str], whole: list[str]) -> bool:
    return any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1))


@lru_cache(maxsize=1)
def _rouge_scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=True)
