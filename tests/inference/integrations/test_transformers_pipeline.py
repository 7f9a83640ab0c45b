"""`transformers.pipeline("arc-text-generation")`."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import pipeline

from arc_encoder.core.errors import DataError
from arc_encoder.inference import Compressor
from arc_encoder.inference.integrations.transformers_pipeline import TASK

TEXT = "a document of some length, which is read"


def test_one_document_and_many_questions(folder: Path, language_model: Path, compressor: Compressor) -> None:
    pipe = pipeline(TASK, model=str(folder), decoder=language_model, max_new_tokens=8)
    found = pipe(TEXT, questions=["what?", "who?"], factor=2)
    answers = compressor.ask(TEXT, ["what?", "who?"], factor=2, max_new_tokens=8)
    assert [each["answer"] for each in found] == [answer.strip() for answer in answers]
    assert [each["question"] for each in found] == ["what?", "who?"]
    (kept,) = compressor.encode([TEXT], factor=2)
    assert {each["vectors"] for each in found} == {len(kept)}
    assert {each["ratio"] for each in found} == {kept.ratio}
    assert pipe(kept, questions="what?")[0]["answer"] == answers[0].strip()
    with pytest.raises(DataError, match="no question was given"):
        pipe(TEXT)
    with pytest.raises(TypeError, match="takes no tempo"):
        pipe(TEXT, questions="what?", tempo=1)
