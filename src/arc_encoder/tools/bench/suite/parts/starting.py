"""How long a user waits for an import, for help, and for a misspelt key."""

from __future__ import annotations

from dataclasses import dataclass

from arc_encoder.tools.bench.start import measured
from arc_encoder.tools.bench.suite.figure import Figure, Measurement


@dataclass
class Starting(Measurement):
    """Commands that answer at once.

    Attributes:
        rounds: how often each is timed.
        commands: whether every command's help is timed, or `arc-train`'s alone.
    """

    rounds: int = 3
    commands: bool = True

    def figures(self) -> list[Figure]:
        return [
            Figure(name, clock, "s", limit, "promised" if limit else "", more_is_better=False)
            for name, (clock, _), limit in measured(self.rounds, every=self.commands)
        ]
