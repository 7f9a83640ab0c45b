"""Which part is compared with which: with the same questions, and as close as there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arc_encoder.evaluation.reporting.reading.choice import described, parts_of
from arc_encoder.evaluation.reporting.reading.runs import Run
from arc_encoder.evaluation.runs.results import Row

PartOfRun = tuple[Run, Row]
ASKED = ("benchmark", "decoder", "shots")
NEAR = ("variant", "system", "factor", "seed")  # where they tell several apart, those of the first are meant


def partners(runs: Sequence[Run], first: PartOfRun, wanted: Mapping[str, str]) -> list[PartOfRun]:
    """The parts of `runs` that answered what `first` answered and have the `wanted` values.

    Of several, those of the same ablation and scale, variant, system, factor and seed are left, as far as there are such.

    Raises:
        DataError: there is none.
    """
    same = described(*first)
    found = parts_of(runs, {**{key: same[key] for key in ASKED}, **wanted})
    for key in ("ablation", "scale"):
        found = [each for each in found if each[0].conditions.get(key) == first[0].conditions.get(key)] or found
    for key in NEAR:
        found = [each for each in found if described(*each)[key] == same[key]] or found
    return [each for each in found if each[1].seed == first[1].seed] or found
