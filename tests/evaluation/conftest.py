"""Small questions, and a session of tiny random models."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from arc_encoder.data.batching.collator import ArcCollator, DecoderText
from arc_encoder.data.records import Question
from arc_encoder.evaluation.session.session import Session
from arc_encoder.model.arc_model import ArcForCausalLM
from tests.tiny_models import tiny_arc_model, tiny_decoder, tiny_tokenizer


class Questions:
    """A source of numbered questions: document i says that thing i is colour i."""

    def __init__(self, count: int, prefix: str = "q", passages: int = 1) -> None:
        self.count, self.prefix, self.passages = count, prefix, passages

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Question:
        if not 0 <= index < self.count:
            raise IndexError(index)
        name = f"{self.prefix}{index}"
        passages = tuple(f"Passage {i} of {name}." for i in range(self.passages))
        return Question(
            name, f"Which colour has {name}?", (f"colour {name}", f"the colour {name}"), passages, "colours"
        )


def question(name: str, passages: Sequence[str], answers: Sequence[str] = ("yes",)) -> Question:
    return Question(name, f"What is {name}?", tuple(answers), tuple(passages), "test")


@pytest.fixture
def session() -> Session:
    """A random ARC-Encoder (factor 4) in front of a random decoder."""
    return Session(
        tiny_arc_model().eval(),
        ArcCollator(tiny_tokenizer(), {"decoder": DecoderText(tiny_tokenizer())}),
        "decoder",
        batch_size=3,
        progress=False,
    )


@pytest.fixture
def text_session() -> Session:
    """The decoder alone."""
    model = ArcForCausalLM(None, {"decoder": tiny_decoder(seed=7)}).eval()
    return Session(
        model, ArcCollator(tiny_tokenizer(), {"decoder": DecoderText(tiny_tokenizer())}), "decoder", progress=False
    )
