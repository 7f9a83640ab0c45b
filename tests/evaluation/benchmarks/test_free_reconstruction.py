"""What is written from the vectors alone, and its character errors."""

from __future__ import annotations

import pytest

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.errors import ConfigError
from arc_encoder.data.tasks import Reconstruction
from arc_encoder.evaluation.benchmarks import FreeReconstruction
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import Arc, ClosedBook, OpenBook, Truncate
from arc_encoder.model.arc_model import ArcForCausalLM
from tests.training.conftest import Texts

TEXTS = ["number one", "two", "and the third of them", "no more"]


def benchmark(**options: int) -> FreeReconstruction:
    return FreeReconstruction(Reconstruction(Texts(TEXTS), max_tokens=64), **options)


def test_every_system_is_asked_for_the_same_texts(session: Session) -> None:
    for system in (Arc(), Truncate(), OpenBook(), ClosedBook()):
        results = benchmark().run(system, session)
        assert sorted(result.details["document"] for result in results) == sorted(TEXTS)
        for result in results:
            assert result.scores.keys() == {"character_error_rate", "reconstruction_loss"}
            assert result.scores["reconstruction_loss"] > 0
            assert result.weights["character_error_rate"] == len(result.details["document"])
        assert (sum(result.document_positions for result in results) > 0) == (not isinstance(system, ClosedBook))


def test_the_error_rate_counts_insertions_deletions_and_replacements(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = {"number one": "number one", "two": "to", "and the third of them": "", "no more": "no mire!"}
    order = sorted(TEXTS, key=len, reverse=True)  # longest first

    def generate(_: ArcForCausalLM, batch: ArcBatch, **__: object) -> list[str]:
        return [written[order.pop(0)] for _ in batch.sample_ids]

    monkeypatch.setattr(ArcForCausalLM, "generate", generate)
    found = {result.details["document"]: result.scores for result in benchmark().run(Arc(), session)}
    rates = {text: scores["character_error_rate"] for text, scores in found.items()}
    assert rates == pytest.approx(
        {"number one": 0.0, "two": 100 / 3, "and the third of them": 100.0, "no more": 200 / 7}, rel=1e-5
    )


def test_nothing_of_the_text_is_shown(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ArcBatch] = []
    plain = ArcForCausalLM.generate

    def generate(self: ArcForCausalLM, batch: ArcBatch, **options: object) -> list[str]:
        seen.append(batch)
        return plain(self, batch, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(ArcForCausalLM, "generate", generate)
    benchmark().run(Arc(), session)
    for batch in seen:
        assert batch.text_lengths.unique().tolist() == [1]  # BOS alone
        assert batch.task_token == "reconstruct"


def test_limits_that_ask_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="limit=0 must be at least 1"):
        benchmark(limit=0)
