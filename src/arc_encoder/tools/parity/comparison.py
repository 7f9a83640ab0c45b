"""Differences between computed and recorded numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from arc_encoder.evaluation.reporting.tables.markdown import table

TOLERANCE, LOGITS_TOLERANCE = 1e-5, 2e-5


@dataclass
class Comparison:
    """What one golden case gave."""

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


def results_text(results: Sequence[Comparison], *, scale: float, not_compared: Sequence[str]) -> str:
    """A table, what is off, and how many cases agree."""
    off = [found for found in results if not found.passed]
    problems = [f"{each.name}: {problem}" for each in off for problem in each.problems[:10] or ["nothing was compared"]]
    verdict = (
        f"{len(results) - len(off)} of {len(results)} cases agree within {TOLERANCE * scale:.0e} "
        f"(logits {LOGITS_TOLERANCE * scale:.0e}); not compared: {', '.join(not_compared)}"
    )
    return "\n".join([_table(results), *problems, verdict])


def _table(results: Sequence[Comparison]) -> str:
    """One row a case."""
    rows = []
    for found in results:
        where = max(found.worst, key=lambda kind: found.worst[kind]) if found.worst else "–"
        verdict = "agrees" if found.passed else "OFF"
        if found.notes:
            verdict += f" ({'; '.join(found.notes)})"
        rows.append([found.name, f"{found.values:,}", f"{found.worst_of_all:.1e}", where, verdict])
    return table(["case", "numbers", "worst difference", "where", "verdict"], rows)
