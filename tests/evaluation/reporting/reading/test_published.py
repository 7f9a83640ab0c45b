"""The paper's figures are shown beside what was measured in the same way, and beside nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from arc_encoder.evaluation.reporting.reading.published import (
    FLORES,
    published,
    published_mean,
    published_score,
    published_variant,
)
from arc_encoder.evaluation.reporting.reading.summary import Figure
from tests.evaluation.reporting.tables.test_result_tables import row


def figure(
    benchmark: str, metric: str = "exact_match", system: str = "arc", factor: int | None = 4, **more: Any
) -> Figure:
    conditions = more.pop("conditions", {})
    measured = replace(row(system, metric, 1.0, factor, "llama_3.1_8b", benchmark), **more)
    return Figure(1.0, 1.0, 1.0, 1, (1.0,), 1.0, None, False, conditions, system, system, benchmark, measured)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (figure("squad"), 74.0),
        (figure("squad", shared_encoder=True), 72.6),
        (figure("squad", factor=8, shared_encoder=True), None),
        (figure("squad", "f1"), None),
        (figure("squad", shots=0), None),
        (figure("squad", factor=16), None),
        (figure("cnn_dailymail", "rouge_l"), 23.7),
        (figure("cnn_dailymail", "bleu"), None),
        (figure("gov_report", "rouge_l", factor=8, decoder="llama_2_7b_chat", shots=0), 14.1),
        (figure("gov_report", "rouge_l", factor=8, decoder="llama_2_7b_chat"), None),
        (figure("squad", system="pisco", factor=None), 57.2),
        (figure("squad", system="icae", factor=None), 61.6),
        (figure("flores_de", "bleu"), None),
        (figure("squad", conditions={"variant": "causal"}), None),
        (figure("squad", conditions={"variant": "arc"}), 74.0),
    ],
)
def test_metric_and_shots_must_be_the_same(shown: Figure, expected: float | None) -> None:
    assert published_score(shown) == expected


def test_means_are_over_exactly_the_papers_benchmarks() -> None:
    flores = [figure(name, "bleu") for name in FLORES]
    questions = [figure(name) for name in ("nq_open", "trivia_qa", "hotpot_qa", "squad")]
    every = [*questions, *flores, figure("cnn_dailymail", "rouge_l")]
    assert published_mean(flores, "flores") == 33.7
    assert published_mean(flores[:3], "flores") is None
    assert published_mean(every, "average") == 48.0
    assert published_mean(every[1:], "average") is None
    assert published_mean([*every, figure("drop")], "average") is None
    assert published_mean([figure("nq_open", "f1"), *every[1:]], "average") is None
    assert published_mean([figure("nq_open", shots=0), *every[1:]], "average") is None


@pytest.mark.parametrize(
    ("left_out", "expected"), [("0 of 28", 42.4), ("2 of 28", 41.7), ("21 of 28", 38.6), ("2 of 4", None)]
)
def test_truncation_is_found_by_the_layers_left_out(left_out: object, expected: float | None) -> None:
    conditions = {"ablation": "truncation", "variant": "few", "layers_left_out": left_out}
    assert published_variant(figure("squad", conditions=conditions)) == expected
    assert published_variant(figure("squad", conditions={**conditions, "ablation": "other"})) is None


def test_every_figure_has_a_metric_and_shots() -> None:
    names = {name for entry in published()["main"] for name in entry["scores"]} - {"average"}
    assert names == set(published()["measured"])
