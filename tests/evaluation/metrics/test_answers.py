"""Scores: equal to the recorded ones of the method's implementation, and intervals that mean something."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import torch
from torchmetrics.functional.text import squad

from arc_encoder.evaluation.metrics.answers import (
    bleu,
    confidence_interval,
    exact_match,
    f1,
    normalise,
    rouge_l,
    substring_match,
)
from tests.tools.parity import PARITY

FILE = PARITY / "metrics" / "metrics.json"
needs_golden = pytest.mark.skipif(
    not FILE.is_file(), reason="the recorded scores (../shared/parity/metrics) are not here"
)


@pytest.fixture(scope="module")
def pairs() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(FILE.read_text())["pairs"]
    assert len(found) > 70
    return found


@needs_golden
def test_normalised_texts_equal_the_recorded_ones(pairs: list[dict[str, Any]]) -> None:
    for pair in pairs:
        assert normalise(pair["prediction"]) == pair["normalized_prediction"]
        assert [normalise(answer) for answer in pair["references"]] == pair["normalized_references"]


@needs_golden
def test_exact_match_equals_the_recorded_scores(pairs: list[dict[str, Any]]) -> None:
    for pair in pairs:
        singles = [exact_match(pair["prediction"], [answer]) for answer in pair["references"]]
        assert singles == [100.0 * value for value in pair["em"]], pair
        assert exact_match(pair["prediction"], pair["references"]) == 100.0 * pair["max_em"], pair


@needs_golden
@pytest.mark.parametrize(("name", "score"), [("f1", f1), ("rouge_l", rouge_l)])
def test_scores_equal_the_recorded_ones(pairs: list[dict[str, Any]], name: str, score: Any) -> None:
    for pair in pairs:
        singles = [score(pair["prediction"], [answer]) for answer in pair["references"]]
        assert singles == pytest.approx([100.0 * value for value in pair[name]], abs=1e-9), pair
        assert score(pair["prediction"], pair["references"]) == pytest.approx(100.0 * pair[f"max_{name}"], abs=1e-9), (
            pair
        )


@needs_golden
def test_bleu_equals_the_recorded_scores(pairs: list[dict[str, Any]]) -> None:
    for pair in pairs:
        assert bleu(pair["prediction"], pair["references"][:1]) == pytest.approx(
            pair["bleu_sentence_vs_first_ref"], abs=1e-9
        ), pair


@needs_golden
def test_substring_match_equals_the_recorded_scores(pairs: list[dict[str, Any]]) -> None:
    for pair in pairs:
        assert substring_match(pair["prediction"], pair["references"]) == 100.0 * pair["has_answer"], pair


def test_scores_by_hand() -> None:
    assert substring_match("It is the Red cat.", ["dog", "red CAT"]) == 100.0
    assert substring_match("redcat", ["cat"]) == 0.0
    assert exact_match("The  Cat!", ["dog", "a cat"]) == 100.0
    assert exact_match("cat", ["cats"]) == 0.0
    assert f1("the red cat", ["a cat sat"]) == pytest.approx(50.0)
    assert f1("no", ["no way"]) == 0.0
    assert rouge_l("cats sat here", ["cat sat"]) == pytest.approx(80.0)
    assert bleu("the cat sat on the mat", ["The cat sat on the mat"]) == pytest.approx(100.0)
    assert bleu("x y z w", ["The cat sat on the mat"]) < 10


def test_the_interval_holds_the_mean_and_shrinks_with_more_examples() -> None:
    rng = random.Random(0)
    values = [rng.choice([0.0, 100.0]) for _ in range(400)]
    mean, low, high = confidence_interval(values)
    assert mean == pytest.approx(sum(values) / 400)
    assert low < mean < high
    error = (torch.tensor(values).std() / 20).item()  # of the mean
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)
    fewer = confidence_interval(values[:100])
    assert fewer[2] - fewer[1] == pytest.approx(2 * (high - low), rel=0.25)
    narrower = confidence_interval(values, level=0.5)
    assert low < narrower[1] < mean < narrower[2] < high


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = random.Random(1)
    hits = 0
    for _ in range(200):
        _, low, high = confidence_interval([rng.gauss(5.0, 2.0) for _ in range(60)], draws=200)
        hits += low <= 5.0 <= high
    assert 178 <= hits <= 199


def test_the_interval_is_the_same_each_time_and_a_point_where_nothing_varies() -> None:
    values = [1.0, 2.0, 4.0, 8.0, 16.5, 3.25]
    assert confidence_interval(values) == confidence_interval(values)
    assert confidence_interval(values, seed=1)[1:] != confidence_interval(values)[1:]
    assert confidence_interval([3.0, 3.0]) == (3.0, 3.0, 3.0)


def test_a_weighted_mean_divides_by_the_weights() -> None:
    mean, low, high = confidence_interval([2.0, 30.0], [1.0, 10.0])
    assert mean == pytest.approx(32 / 11)
    assert (low, high) == (2.0, 3.0)  # only the first, only the second example drawn


def test_exact_match_and_f1_are_squads_where_the_method_has_no_rule_of_its_own() -> None:
    rng = random.Random(0)
    vocabulary = "the a cat Dog, u.s. 12 Ünï - ' yes".split()
    for _ in range(300):
        prediction, *answers = (" ".join(rng.choices(vocabulary, k=rng.randint(1, 4))) for _ in range(3))
        texts = [normalise(text) for text in (prediction, *answers)]
        assert exact_match(prediction, answers) == 100.0 * (texts[0] in texts[1:])
        if all(texts) and "yes" not in texts:
            accepted = {"answers": {"answer_start": [0, 0], "text": answers}, "id": "0"}
            known = squad({"prediction_text": prediction, "id": "0"}, accepted)["f1"]
            assert f1(prediction, answers) == pytest.approx(float(known), abs=1e-4)
