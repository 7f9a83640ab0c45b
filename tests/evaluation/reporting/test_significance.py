"""Paired comparisons: what differs is found, what does not is not."""

from __future__ import annotations

import random
from typing import Any

import pytest

from arc_encoder.core.errors import DataError
from arc_encoder.evaluation.reporting.significance import compare
from tests.evaluation.metrics.test_scoring import corpus_bleu


def examples(scores: list[float], **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"q{i}", "f1": score, **more} for i, score in enumerate(scores)]


def test_a_clear_difference_and_none() -> None:
    rng = random.Random(0)
    first = [rng.choice([0.0, 100.0]) for _ in range(200)]
    better = [100.0 if rng.random() < 0.3 else score for score in first]
    found = compare(examples(better), examples(first), "f1", draws=1000)
    assert found.difference == pytest.approx(sum(better) / 200 - sum(first) / 200)
    assert 0 < found.low < found.difference < found.high
    assert found.p_value < 0.01
    same = compare(examples(first), examples(first), "f1", draws=1000)
    assert (same.difference, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)
    other = first[:]
    random.Random(1).shuffle(other)
    assert compare(examples(other), examples(first), "f1", draws=1000).p_value > 0.05


def test_the_p_value_is_that_of_all_exchanges() -> None:
    """Five pairs that all differ alike: 2 of 2⁵ exchanges are as extreme."""
    found = compare(examples([1.0] * 5), examples([0.0] * 5), "f1", draws=10_000)
    assert found.p_value == pytest.approx(2 / 32, abs=0.01)


def test_only_common_examples_count_and_weights_do() -> None:
    first = [{"id": "a", "f1": 100.0, "weights": {"f1": 3.0}}, {"id": "b", "f1": 0.0}, {"id": "c", "f1": 0.0}]
    second = [{"id": "b", "f1": 0.0}, {"id": "a", "f1": 0.0, "weights": {"f1": 3.0}}]
    found = compare(first, second, "f1", draws=100)
    assert (found.examples, found.first, found.second) == (2, 75.0, 0.0)


def test_bleu_is_compared_as_that_of_the_corpus() -> None:
    accepted = [[f"the {word} sat on the mat today"] for word in ("cat", "dog", "cow", "hen")]
    good = [{"id": str(i), "bleu": 0.0, "answer": each[0], "accepted": each} for i, each in enumerate(accepted)]
    bad = [{**each, "answer": "a mat sat on the cat today"} for each in good]
    found = compare(good, bad, "bleu", draws=500)
    assert found.first == pytest.approx(100.0)
    assert found.second == pytest.approx(corpus_bleu([e["answer"] for e in bad], accepted))


def test_mistakes_are_named() -> None:
    with pytest.raises(DataError, match="no example in common"):
        compare(examples([1.0]), [{"id": "other", "f1": 1.0}], "f1")
    with pytest.raises(DataError, match=r"no metric 'em'; they have: f1"):
        compare(examples([1.0]), examples([1.0]), "em")


def weighted(scores: list[float], weights: list[float]) -> list[dict[str, Any]]:
    pairs = zip(scores, weights, strict=True)
    return [{"id": str(i), "f1": score, "weights": {"f1": weight}} for i, (score, weight) in enumerate(pairs)]


def test_a_side_without_any_value_cannot_be_compared() -> None:
    none, some = weighted([0.0, 0.0], [0.0, 0.0]), weighted([50.0, 50.0], [1.0, 1.0])
    with pytest.raises(DataError, match=r"no example of arc has a value of f1.*compare another metric"):
        compare(none, some, "f1", names=("arc", "open_book"))
    with pytest.raises(DataError, match="no example of open_book has a value of f1"):
        compare(some, none, "f1", names=("arc", "open_book"))
    # those in common count
    with pytest.raises(DataError, match="no example of the second has a value of f1"):
        compare(some, [*none, {"id": "other", "f1": 1.0}], "f1")


def test_draws_without_a_value_say_nothing() -> None:
    """One of four examples has a value: about a third of the draws have none, and no draw differs from the observed."""
    first, second = weighted([100.0, 0, 0, 0], [1.0, 0, 0, 0]), weighted([40.0, 0, 0, 0], [1.0, 0, 0, 0])
    found = compare(first, second, "f1", draws=400)
    assert (found.difference, found.low, found.high) == (60.0, 60.0, 60.0)
    assert found.p_value == 1.0
    # exchanges that leave a side empty are not counted either: half of these do, and the others are all as extreme
    second = weighted([0, 40.0, 0, 0], [0, 1.0, 0, 0])
    assert compare(first, second, "f1", draws=400).p_value == 1.0


def test_texts_are_no_metric() -> None:
    told = examples([1.0], answer="yes", right=True)
    for name in ("answer", "id", "right"):
        with pytest.raises(DataError, match=rf"the examples of the first have no metric '{name}'; they have: f1"):
            compare(told, told, name)
