"""From variants to commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from arc_encoder.errors import ConfigError
from arc_encoder.study.stages import Scale, Variant, stages_of, variant_of

SCALE = Scale("small", ["experiment=first"], ["experiment=second"], ["benchmark=one"], ["system=[open_book]"])
ROOT = Path("logs/ablation")
SHARED = Path("logs/trainings")


def test_every_variant_is_pretrained_fine_tuned_and_evaluated_with_every_seed() -> None:
    variants = {"mean": Variant(), "last": Variant(both=["model/pooling=last"], evaluate=["factors=[4]"])}
    stages = stages_of("pooling", variants, SCALE, seeds=[0, 1], folder=ROOT, trainings=SHARED, more=["threads=1"])
    assert len(stages) == 1 + 2 * 2 * 3
    assert len({stage.folder for stage in stages}) == len(stages)
    assert all("threads=1" in stage.overrides for stage in stages)
    seen: set[Path] = set()
    for stage in stages:
        assert set(stage.after) <= seen  # in an order in which they can run
        seen.add(stage.folder)
    asked = next(stage for stage in stages if stage.folder == ROOT / "last/seed_1")
    assert asked.command == "arc-eval"
    tuned = next(stage for stage in stages if stage.folder == asked.links["finetune"])
    assert tuned.command == "arc-train"
    assert tuned.folder.parent == SHARED
    assert tuned.after == (asked.links["pretrain"],)
    assert tuned.overrides[:2] == ("experiment=second", "model/pooling=last")
    assert f"ckpt={tuned.after[0]}/compressor" in tuned.overrides
    assert "seed=1" in tuned.overrides
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
    stages = stages_of("pairs", pairs, SCALE, seeds=[0], folder=ROOT, trainings=SHARED)
    assert sum("experiment=first" in stage.overrides for stage in stages) == 2
    starts = {stage.folder.parent.name: stage.links["pretrain"] for stage in stages if stage.links}
    assert starts["2_4"] == starts["2_8"] != starts["4_4"]


def test_ablations_share_trainings_that_are_the_same() -> None:
    def identify(overrides: Sequence[str]) -> str:  # as a configuration would: y=1 is the default
        return " ".join(sorted(word for word in overrides if word != "y=1"))

    def trainings(variants: dict[str, Variant], **more: object) -> dict[Path, str]:
        made = stages_of("any", variants, SCALE, seeds=[0], folder=ROOT, trainings=SHARED, identify=identify, **more)  # type: ignore[arg-type]
        return {stage.folder: stage.mark for stage in made if stage.command == "arc-train"}

    default = trainings({"plain": Variant()})
    assert trainings({"one": Variant(both=["y=1"])}) == default  # other words, the same settings
    other = trainings({"two": Variant(both=["y=2"])})
    assert len(other) == len(default) == 2
    assert not set(other) & set(default)
    later = trainings({"plain": Variant(finetune=["y=2"])})
    assert len(set(later) & set(default)) == 1  # the pretraining
    start = trainings({"plain": Variant(pretrain=["y=2"])})
    assert not set(start) & set(default)  # the same fine-tuning from another start is another training
    assert not set(trainings({"plain": Variant()}, more=["steps=1"])) & set(default)


def test_a_variant_without_pretraining_starts_afresh() -> None:
    stages = stages_of(
        "steps", {"none": Variant(skip_pretraining=True)}, SCALE, seeds=[3], folder=ROOT, trainings=SHARED
    )
    assert [stage.title for stage in stages] == ["reference", "none, seed 3: fine-tuning", "none, seed 3: evaluation"]
    assert not any(word.startswith("ckpt=") for word in stages[1].overrides)


def test_mistakes() -> None:
    with pytest.raises(ConfigError, match="nothing to do without variants"):
        stages_of("empty", {}, SCALE, seeds=[0], folder=ROOT, trainings=SHARED)
    with pytest.raises(ConfigError, match="nothing to do without seeds"):
        stages_of("empty", {"one": Variant()}, SCALE, seeds=[], folder=ROOT, trainings=SHARED)
    with pytest.raises(ConfigError, match=r"variant odd: unknown key colour; valid keys: both, conditions, evaluate"):
        variant_of("odd", {"colour": 1})
    with pytest.raises(ConfigError, match="pretrain must be a list of overrides"):
        variant_of("odd", {"pretrain": "model.pooling.factor=8"})
