"""From variants to commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from arc_encoder.errors import ConfigError
from arc_encoder.study.stages import Scale, Variant, stages_of, variant_of

SCALE = Scale("small", ["experiment=first"], ["experiment=second"], ["benchmark=one"], ["system=[open_book]"])
ROOT = Path("logs/ablation")


def test_every_variant_is_pretrained_fine_tuned_and_evaluated_with_every_seed() -> None:
    variants = {"mean": Variant(), "last": Variant(both=["model/pooling=last"], evaluate=["factors=[4]"])}
    stages = stages_of("pooling", variants, SCALE, seeds=[0, 1], folder=ROOT, more=["threads=1"])
    assert len(stages) == 1 + 2 * 2 * 3
    assert len({stage.folder for stage in stages}) == len(stages)
    assert all("threads=1" in stage.overrides for stage in stages)
    seen: set[Path] = set()
    for stage in stages:
        assert set(stage.after) <= seen  # in an order in which they can run
        seen.add(stage.folder)
    tuned = next(stage for stage in stages if stage.folder == ROOT / "last/seed_1/finetune")
    assert tuned.command == "arc-train"
    assert tuned.overrides[:2] == ("experiment=second", "model/pooling=last")
    assert f"ckpt={tuned.after[0]}/compressor" in tuned.overrides
    assert "seed=1" in tuned.overrides
    asked = next(stage for stage in stages if stage.folder == ROOT / "last/seed_1")
    assert asked.command == "arc-eval"
    assert asked.after == (tuned.folder,)
    assert {"benchmark=one", "factors=[4]", f"checkpoint={tuned.folder}/compressor"} <= set(asked.overrides)
    assert 'conditions={ablation: "pooling",variant: "last",seed: 1}' in asked.overrides
    assert f"paths.run={asked.folder}" in asked.words


def test_variants_that_differ_in_fine_tuning_alone_share_their_pretraining() -> None:
    pairs = {
        f"{a}_{b}": Variant(pretrain=[f"factor={a}"], finetune=[f"factor={b}"], conditions={"pretrain_factor": a})
        for a in (2, 4)
        for b in (4, 8)
    }
    stages = stages_of("pairs", pairs, SCALE, seeds=[0], folder=ROOT)
    assert sum("experiment=first" in stage.overrides for stage in stages) == 2
    starts = {stage.folder.parent.parent.name: stage.after for stage in stages if stage.folder.name == "finetune"}
    assert starts["2_4"] == starts["2_8"] != starts["4_4"]


def test_a_variant_without_pretraining_starts_afresh() -> None:
    stages = stages_of("steps", {"none": Variant(skip_pretraining=True)}, SCALE, seeds=[3], folder=ROOT)
    assert [stage.title for stage in stages] == ["reference", "none, seed 3: fine-tuning", "none, seed 3: evaluation"]
    assert not any(word.startswith("ckpt=") for word in stages[1].overrides)


def test_mistakes() -> None:
    with pytest.raises(ConfigError, match="nothing to do without variants"):
        stages_of("empty", {}, SCALE, seeds=[0], folder=ROOT)
    with pytest.raises(ConfigError, match="nothing to do without seeds"):
        stages_of("empty", {"one": Variant()}, SCALE, seeds=[], folder=ROOT)
    with pytest.raises(ConfigError, match=r"variant odd: unknown key colour; valid keys: both, conditions, evaluate"):
        variant_of("odd", {"colour": 1})
    with pytest.raises(ConfigError, match="pretrain must be a list of overrides"):
        variant_of("odd", {"pretrain": "model.pooling.factor=8"})
