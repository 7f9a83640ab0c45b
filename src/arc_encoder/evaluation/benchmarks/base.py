"""What a benchmark is: samples for a system, and the scores of what comes out.

Two kinds exist: questions whose answers are generated, and text whose continuation is scored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import Prompt, System


@dataclass(frozen=True)
class ExampleResult:
    """What one example gave.

    Attributes:
        id: the example's.
        scores: metric → value.
        weights: metric → weight in the mean (1 where not named).
        document_positions: decoder positions that its documents took.
        document_tokens: tokens of the decoder that they have as text.
        stored_bytes: what its documents take if they are stored as this system needs them.
        article: what it is about, where several examples are about the same; empty where each stands for itself.
        details: whatever a person wants to read: prompt, answer, accepted answers.
    """

    id: str
    scores: dict[str, float]
    document_positions: int
    weights: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    document_tokens: int = 0
    stored_bytes: int = 0
    article: str = ""


def beginning_of(text: str, max_length: int = 2000) -> str:
    """As much of a text as a person will read, in characters, with a sign that more followed."""
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def measures(prompt: Prompt, budgets: dict[str, int], session: Session) -> dict[str, Any]:
    """What the documents of a prompt take: fields of an `ExampleResult`."""
    return {
        "document_positions": session.document_positions(prompt.sample, prompt.shown, budgets),
        "document_tokens": session.text_tokens(prompt.documents),
        "stored_bytes": session.stored_bytes(prompt.sample, prompt.shown, budgets),
    }


class Benchmark(ABC):
    """A set of examples with a protocol.

    Attributes:
        name: how results call it.
        version: raised whenever a change makes scores incomparable.
        protocol: how it is asked and scored.
        shots: answered examples in front of a question; None where nothing is asked.
        seed: of whatever is drawn.
        draws: whether the seed changes anything.
        asked_from: name of the file that is asked; empty where there is none.
    """

    name: str
    version: int
    protocol: str = "strict"
    shots: int | None = None
    seed: int = 0
    draws: bool = True
    asked_from: str = ""

    @abstractmethod
    def run(self, system: System, session: Session) -> list[ExampleResult]:
        """Evaluate `system` on every example."""
