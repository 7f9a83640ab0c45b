"""Which answers are lost, how well that is predicted, and what falling back on it is worth."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from arc_encoder.core.errors import DataError
from arc_encoder.data.records import Question
from arc_encoder.inference import Compressor
from arc_encoder.inference.fallback.probe import AnswerProbe
from arc_encoder.tools.studies.lost_answers import Point, at, auc, curve, losses, measured, study_lost_answers, tables
from arc_encoder.tools.studies.readings import Readings, drawn
from tests.inference.conftest import compressor, folder, language_model
from tools.measure.storage_scores import scores

__all__ = ["compressor", "folder", "language_model"]


def readings(count: int = 400) -> tuple[dict[str, Readings], AnswerProbe]:
    """Vectors lose half of the answers, and the first feature says which; text takes four times the positions."""
    generator = torch.Generator().manual_seed(0)
    lost = torch.rand(count, generator=generator) < 0.5
    features = torch.randn(count, 6, generator=generator)
    features[:, 0] = lost * 4.0 - 2
    right = torch.ones(count, dtype=torch.bool)
    positions = torch.full((count,), 10.0)
    found = {
        "text": Readings(right, 4 * positions),
        "×2": Readings(right & (torch.rand(count, generator=generator) < 0.7), 2 * positions, features, positions / 20),
        "×4": Readings(~lost, positions, features, positions / 20),
    }
    weight = torch.tensor([1.0, 0, 0, 0, 0, 0])
    return found, AnswerProbe(torch.zeros(6), torch.ones(6), weight, 0.0, "e", "d")


def test_lost_is_what_the_text_has_and_vectors_have_not() -> None:
    text = Readings(torch.tensor([True, True, False, False]), torch.ones(4))
    vectors = Readings(torch.tensor([True, False, True, False]), torch.ones(4))
    assert losses({"text": text, "×4": vectors})["×4"].tolist() == [False, True, False, False]


def test_what_a_probe_is_worth() -> None:
    found, probe = readings()
    results = measured(probe, found, seed=0)
    assert results["auc"]["×4"]["probe"][0] == 1
    assert results["auc"]["×4"]["by chance"][1] < 0.5 < results["auc"]["×4"]["by chance"][2]
    assert results["auc"]["×4"]["lost"] == pytest.approx(1 - float(found["×4"].right.float().mean()))
    points = results["policies"]["×4"]["probe"]["text"]
    assert points[0]["positions"] == 10
    assert points[-1]["positions"] == 40
    half = next(point for point in points if point["share"] == 0.5)
    assert half["accuracy"] > 98  # the lost half, and no other, was read as text
    equal = results["at_equal_positions"]["×2"]
    assert equal["×4, unsure as text"] > equal["×2"]
    assert "×4, unsure as text" in tables(results)


def test_curves_between_their_points() -> None:
    points = [Point(0, 10, 50), Point(0.5, 20, 70), Point(1, 30, 60)]
    assert (at(points, 10), at(points, 15), at(points, 25), at(points, 31)) == (50, 60, 65, None)
    base = Readings(torch.tensor([False, True]), torch.tensor([1.0, 1.0]))
    instead = Readings(torch.tensor([True, True]), torch.tensor([3.0, 5.0]))
    found = curve(base, instead, torch.tensor([0.9, 0.1]))
    assert [(p.positions, p.accuracy) for p in (found[0], found[10], found[20])] == [(1, 50), (2, 100), (4, 100)]
    risk, lost = torch.tensor([0.9, 0.8, 0.3, 0.1]), torch.tensor([True, False, True, False])
    assert auc(risk, lost)[0] == 0.75
    assert auc(risk, torch.zeros(4, dtype=torch.bool))[0] != auc(risk, lost)[0]  # NaN


def questions(count: int) -> list[Question]:
    return [
        Question(f"q{i}", f"what number is {i}?", (f"{i}",), (f"document {i // 2} " + "x" * (i % 9),), "s")
        for i in range(count)
    ]


def test_questions_to_measure_on_are_about_other_documents() -> None:
    train, test = drawn(questions(100), 40, 20, seed=0)
    assert (len(train), len(test)) == (40, 20)
    assert not {q.passages for q in train} & {q.passages for q in test}
    with pytest.raises(DataError, match="set train= and test= lower"):
        drawn(questions(50), 40, 20, seed=0)


def test_a_compressor_is_studied(compressor: Compressor) -> None:
    def by_length(answer: str, accepted: Sequence[str]) -> bool:
        return sum(map(ord, answer)) % 2 == 0

    probe, results = study_lost_answers(
        compressor, questions(240), [2, 4], by_length, train=80, test=30, max_new_tokens=4, batch_size=8, seed=0
    )
    probe.check(compressor.fingerprint, compressor.decoder_name)
    assert list(results["ways"]) == ["text", "×2", "×4"]
    assert (
        results["ways"]["text"]["positions"] > results["ways"]["×2"]["positions"] > results["ways"]["×4"]["positions"]
    )


def test_scores_against_bytes(compressor: Compressor) -> None:
    pytest.importorskip("faiss")
    asked = questions(4)
    others = [f"another document {i} " + "y" * (i % 13) for i in range(200)]
    rows = scores(compressor, asked, others, [2], lambda answer, accepted: 100.0 * bool(answer)).splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[1] for row in cells][1:4] == ["float32", "bfloat16", "int8"]
    sizes = [int(row[2].replace(",", "")) for row in cells[1:]]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 2 * sizes[1]
    assert cells[1][3] == cells[2][3]
