"""Differences between computed and recorded numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

TOLERANCE, LOGITS_TOLERANCE = 1e-5, 2e-5


@dataclass
class Comparison:
    """What one golden case gave.

    Attributes:
        name: of the case, its path below the suite's folder.
        values: numbers compared.
        worst: largest absolute difference of each kind of number.
        problems: what is off, in words.
        notes: what was left out on purpose, and why.
    """

    name: str
    scale: float = 1.0
    values: int = 0
    worst: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.problems and self.values > 0

    @property
    def worst_of_all(self) -> float:
        return max(self.worst.values(), default=0.0)

    def close(self, kind: str, actual: Tensor, golden: Tensor, tolerance: float = TOLERANCE) -> None:
        """Compare tensors of one shape; `tolerance` (times the comparison's scale) bounds the absolute difference."""
        if actual.shape != golden.shape:
            self.problems.append(f"{kind}: shape {tuple(actual.shape)}, recorded {tuple(golden.shape)}")
            return
        self.values += golden.numel()
        if golden.numel() == 0:
            return
        worst = float((actual.detach().double().cpu() - golden.double()).abs().max())
        self.worst[kind] = max(worst, self.worst.get(kind, 0.0))
        if not worst <= tolerance * self.scale:  # not a number is off as well
            self.problems.append(f"{kind}: differs by {worst:.3g}, allowed {tolerance * self.scale:.3g}")

    def same(self, kind: str, actual: object, golden: object) -> None:
        """Compare what must be equal, such as token ids."""
        self.values += 1
        if actual != golden:
            shown = f"{actual!r}, recorded {golden!r}"
            self.problems.append(f"{kind}: {shown if len(shown) < 200 else shown[:200] + ' …'}")
