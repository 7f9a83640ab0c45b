"""Costs: what differs in variant, ablation or shots is not averaged."""

from __future__ import annotations

from pathlib import Path

from arc_encoder.evaluation.reporting.reading.material import Material
from arc_encoder.evaluation.reporting.tables.cost_tables import cost_table_of
from tests.evaluation.reporting.conftest import Finished, part


def firsts(folder: Path) -> list[tuple[str, str, str]]:
    table = cost_table_of(Material.of([folder]).runs)
    assert table is not None
    return [(row[0], row[1], row[2]) for row in table.rows]


def test_shots_decoders_and_seeds(finished: Finished, tmp_path: Path) -> None:
    finished("a", {part(shots=0): [1.0], part(shots=5): [1.0], part(shots=5, seed=1): [1.0]})
    finished("b", {part(decoder="toy_b"): [1.0]})
    assert firsts(tmp_path) == [
        ("arc ×4", "toy_a", "toy_qa (0 shots)"),
        ("arc ×4", "toy_a", "toy_qa (5 shots)"),
        ("arc ×4", "toy_b", "toy_qa (5 shots)"),
    ]


def test_ablations_variants_and_modified_decoders(finished: Finished, tmp_path: Path) -> None:
    for ablation in ("truncation", "baselines"):
        for variant in ("none", "pisco"):
            each = part("pisco", None) if variant == "pisco" else part()
            told = {"ablation": ablation, "variant": variant}
            finished(f"{ablation}/{variant}", {each: [1.0]}, conditions=told, modified=variant == "pisco")
    assert [name for name, _, _ in firsts(tmp_path)] == [
        "baselines/none",
        "baselines/pisco (decoder modified)",
        "truncation/none",
        "truncation/pisco (decoder modified)",
    ]
