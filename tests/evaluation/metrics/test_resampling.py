"""Intervals over articles: an article is drawn whole."""

from __future__ import annotations

import random

import pytest
import torch

from arc_encoder.data.sources.fields import QuestionFields
from arc_encoder.evaluation.benchmarks import ExampleResult
from arc_encoder.evaluation.metrics.answers import confidence_interval
from arc_encoder.evaluation.metrics.resampling import by_article
from arc_encoder.evaluation.runs.results import Part, rows_of

PART = Part("arc", "toy", 4, "squad", 1, "strict", 0, 0)


def test_an_article_is_the_sum_of_its_examples() -> None:
    statistics = torch.tensor([[1.0, 1], [2, 1], [4, 1], [8, 1]])
    assert by_article(statistics, ["b", "a", "b", ""]).tolist() == [[5, 2], [2, 1], [8, 1]]
    assert by_article(statistics, ["", "", "", ""]) is statistics
    with pytest.raises(ValueError, match="2 articles were given for 4 examples"):
        by_article(statistics, ["a", "b"])


def test_drawing_articles_is_drawing_all_their_examples() -> None:
    """Against a plain loop that draws articles and averages what they hold."""
    drawn = random.Random(0)
    articles = [f"article {place % 12}" for place in range(120)]
    hard = {name: drawn.random() for name in sorted(set(articles))}
    values = [float(drawn.random() < hard[name]) for name in articles]
    groups: dict[str, list[float]] = {}
    for name, value in zip(articles, values, strict=True):
        groups.setdefault(name, []).append(value)
    means = []
    for _ in range(4000):
        chosen = [value for name in drawn.choices(list(groups), k=len(groups)) for value in groups[name]]
        means.append(sum(chosen) / len(chosen))
    means.sort()
    mean, low, high = confidence_interval(values, articles=articles, draws=4000)
    assert mean == pytest.approx(sum(values) / len(values))
    assert low == pytest.approx(means[100], abs=0.015)
    assert high == pytest.approx(means[3900], abs=0.015)
    _, narrow_low, narrow_high = confidence_interval(values, draws=4000)
    assert high - low > 1.2 * (narrow_high - narrow_low)  # what is alike within an article was counted as evidence


def test_one_article_alone_has_no_spread() -> None:
    assert confidence_interval([1.0, 0.0, 1.0, 1.0], articles=["same"] * 4) == (0.75, 0.75, 0.75)


def test_rows_say_how_many_articles_they_are_about() -> None:
    results = [ExampleResult(str(n), {"f1": float(n % 2)}, 10, article=f"a{n % 3}") for n in range(12)]
    (row,) = rows_of(results, PART)
    assert (row.examples, row.articles) == (12, 3)
    (alone,) = rows_of([ExampleResult(each.id, each.scores, 10) for each in results], PART)
    assert alone.articles == 0


def test_a_question_knows_its_article() -> None:
    record = {"question": "Who?", "answers": ["Ada"], "passages": ["Ada did."], "document": "Ada Lovelace"}
    assert QuestionFields().question(record, "here", "squad").article == "Ada Lovelace"
    assert QuestionFields({"document": "title"}).question(record | {"title": "Ada"}, "here", "squad").article == "Ada"
    assert QuestionFields().question(record | {"document": None}, "here", "squad").article == ""
