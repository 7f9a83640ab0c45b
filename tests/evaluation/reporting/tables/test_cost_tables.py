"""What runs cost, and how much of what the text gives is left when it is compressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from arc_encoder.evaluation.reporting.reading.material import Material
from arc_encoder.evaluation.reporting.tables.cost_tables import cost_table_of, share_table
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


NAMES: dict[str, Any] = {"benchmark": "toy_continuation", "shots": None}
PLAIN = {part("closed_book", None, **NAMES): [2.0], part("open_book", None, **NAMES): [1.0]}


def shares(folder: Path) -> dict[str, str]:
    table = share_table(Material.of([folder]).runs)
    assert table is not None
    return {row[0]: row[3] for row in table.rows}


def test_the_surviving_share_takes_the_losses_of_other_runs(finished: Finished, tmp_path: Path) -> None:
    finished("plain", PLAIN, metric="loss")
    finished("arc", {part(**NAMES): [1.25]}, metric="loss")
    table = share_table(Material.of([tmp_path]).runs)
    assert table is not None
    assert table.rows == [["arc ×4", "toy_a", "toy_continuation", "0.750", "1"]]
    assert share_table(Material.of([tmp_path / "arc"]).runs) is None


def test_memory_tokens_and_baselines_have_a_share_and_shortened_texts_none(finished: Finished, tmp_path: Path) -> None:
    finished("plain", {**PLAIN, part("truncate", **NAMES): [1.9]}, metric="loss")
    finished("memory", {part("arc", None, **NAMES): [1.5]}, metric="loss", conditions={"variant": "memory_tokens"})
    for system, factor in (("icae", None), ("averaged_embeddings", 4)):
        finished(system, {part(system, factor, **NAMES): [1.75]}, metric="loss")
    assert shares(tmp_path) == {"memory_tokens": "0.500", "icae": "0.250", "averaged_embeddings ×4": "0.250"}


def test_of_several_ablations_each_has_its_own_losses(finished: Finished, tmp_path: Path) -> None:
    worse = {part("closed_book", None, **NAMES): [3.0], part("open_book", None, **NAMES): [1.0]}
    for ablation, plain in (("truncation", PLAIN), ("causal", worse)):
        told = {"ablation": ablation, "variant": "reference"}
        finished(f"{ablation}/reference", plain, metric="loss", conditions=told)
        told = {"ablation": ablation, "variant": "none"}
        finished(f"{ablation}/none", {part(**NAMES): [1.5]}, metric="loss", conditions=told)
    assert shares(tmp_path) == {"truncation/none": "0.500", "causal/none": "0.750"}


def test_a_share_of_a_changed_decoder_is_marked(finished: Finished, tmp_path: Path) -> None:
    finished("texts", {part("closed_book", None): [2.0], part("open_book", None): [1.0]}, metric="loss")
    finished("pisco", {part("pisco", None): [1.5]}, metric="loss", modified=True)
    table = share_table(Material.of([tmp_path]).runs)
    assert table is not None
    assert [row[0] for row in table.rows] == ["pisco (decoder modified)"]
