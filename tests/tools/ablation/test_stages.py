"""From variants to commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.tools.ablation.stages import Ablation, Scale, Stage, Variant, ablation_of, stages_of

SCALE = Scale("small", ["experiment=first"], ["experiment=second"], ["benchmark=one"], ["system=[open_book]"])
ROOT = Path("logs/ablation")
SHARED = Path("logs/trainings")


def test_every_variant_is_pretrained_fine_tuned_and_evaluated_with_every_seed() -> None:
    variants = {"mean": Variant(), "last": Variant(both=["model/pooling=last"], evaluate=["factors=[4]"])}
    stages = stages_of(
        Ablation("pooling", "Which?", variants),
        SCALE,
        seeds=[0, 1],
        folder=ROOT,
        trainings=SHARED,
        resources=["threads=1"],
    )
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
    assert 'conditions={ablation: "pooling",scale: "small",variant: "last",seed: 1}' in asked.overrides
    assert f"paths.run={asked.folder}" in asked.words


def test_no_two_scales_have_the_same_conditions() -> None:
    def told(scale: Scale) -> list[str]:
        variants = {"plain": Variant()}
        stages = stages_of(Ablation("any", "Which?", variants), scale, seeds=[0], folder=ROOT, trainings=SHARED)
        return [word for stage in stages for word in stage.overrides if word.startswith("conditions=")]

    small, large = told(SCALE), told(replace(SCALE, name="large"))
    assert small == [
        'conditions={ablation: "any",scale: "small",variant: "reference"}',
        'conditions={ablation: "any",scale: "small",variant: "plain",seed: 0}',
    ]
    assert large == [word.replace("small", "large") for word in small]


def test_words_for_all_commands_and_for_one_kind() -> None:
    stages = stages_of(
        Ablation("any", "Which?", {"plain": Variant(both=["x=1"])}),
        SCALE,
        seeds=[0],
        folder=ROOT,
        trainings=SHARED,
        more=["threads=1"],
        more_training=["x=2"],
        more_evaluation=["y=2"],
    )
    for stage in stages:
        trains = stage.command == "arc-train"
        assert "threads=1" in stage.overrides
        assert ("x=2" in stage.overrides, "y=2" in stage.overrides) == (trains, not trains)
        assert not trains or stage.overrides.index("x=1") < stage.overrides.index("x=2")  # the last word counts


def test_variants_that_differ_in_fine_tuning_alone_share_their_pretraining() -> None:
    pairs = {
        f"{a}_{b}": Variant(pretrain=[f"factor={a}"], finetune=[f"factor={b}"], conditions={"pretrain_factor": a})
        for a in (2, 4)
        for b in (4, 8)
    }
    stages = stages_of(Ablation("pairs", "Which?", pairs), SCALE, seeds=[0], folder=ROOT, trainings=SHARED)
    assert sum("experiment=first" in stage.overrides for stage in stages) == 2
    starts = {stage.folder.parent.name: stage.links["pretrain"] for stage in stages if stage.links}
    assert starts["2_4"] == starts["2_8"] != starts["4_4"]


def test_ablations_share_trainings_that_are_the_same() -> None:
    def identify(overrides: Sequence[str]) -> str:  # as a configuration would: y=1 is the default
        return " ".join(sorted(word for word in overrides if word != "y=1"))

    def trainings(variants: dict[str, Variant], **more: Any) -> dict[Path, str]:
        made = stages_of(
            Ablation("any", "Which?", variants),
            SCALE,
            seeds=[0],
            folder=ROOT,
            trainings=SHARED,
            identify=identify,
            **more,
        )
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
    ablation = Ablation("steps", "How long?", {"none": Variant(skip_pretraining=True)})
    stages = stages_of(ablation, SCALE, seeds=[3], folder=ROOT, trainings=SHARED)
    assert [stage.title for stage in stages] == ["reference", "none, seed 3: fine-tuning", "none, seed 3: evaluation"]
    assert not any(word.startswith("ckpt=") for word in stages[1].overrides)


def test_an_ablation_may_evaluate_in_its_own_way() -> None:
    ablation = ablation_of(
        {
            "name": "systems",
            "question": "Which?",
            "evaluate": ["benchmark=two"],
            "reference": ["factors=[4]"],
            "variants": {"plain": None, "other": {"both": ["x=1"], "evaluate": ["system=other"]}},
        }
    )
    stages = stages_of(ablation, SCALE, seeds=[0], folder=ROOT, trainings=SHARED)
    words = {
        stage.folder.relative_to(ROOT).parts[0]: stage.overrides for stage in stages if stage.command == "arc-eval"
    }
    assert words["reference"][:4] == ("benchmark=one", "system=[open_book]", "benchmark=two", "factors=[4]")
    assert words["plain"][:2] == ("benchmark=one", "benchmark=two")
    assert words["other"][:3] == ("benchmark=one", "benchmark=two", "system=other")


def test_mistakes() -> None:
    def described(**more: object) -> dict[str, object]:
        return {"name": "odd", "question": "Why?", "variants": {"one": None}, **more}

    with pytest.raises(ConfigError, match="ablation empty: there is nothing to do without variants"):
        stages_of(Ablation("empty", "Why?", {}), SCALE, seeds=[0], folder=ROOT, trainings=SHARED)
    with pytest.raises(ConfigError, match="nothing to do without seeds"):
        stages_of(ablation_of(described()), SCALE, seeds=[], folder=ROOT, trainings=SHARED)
    with pytest.raises(ConfigError, match=r"variant odd: unknown key colour; valid keys: both, conditions, evaluate"):
        ablation_of(described(variants={"odd": {"colour": 1}}))
    with pytest.raises(ConfigError, match="variant odd: pretrain must be a list of overrides"):
        ablation_of(described(variants={"odd": {"pretrain": "model.pooling.factor=8"}}))
    with pytest.raises(ConfigError, match="variant odd: both must be a list of overrides"):
        ablation_of(described(variants={"odd": {"both": [{"model.pooling.factor": 8}]}}))
    with pytest.raises(ConfigError, match="variant odd: conditions must be keys with values"):
        ablation_of(described(variants={"odd": {"conditions": "factor"}}))
    with pytest.raises(ConfigError, match=r"variant odd: \['x=1'\] is no set of keys; valid keys: both"):
        ablation_of(described(variants={"odd": ["x=1"]}))
    with pytest.raises(ConfigError, match=r"ablation odd: variants=\['a', 'b'\] must be names with what each changes"):
        ablation_of(described(variants=["a", "b"]))
    with pytest.raises(ConfigError, match="ablation odd: reference must be a list of overrides"):
        ablation_of(described(reference="factors=[4]"))
    with pytest.raises(ConfigError, match="ablation odd: unknown key colour; valid keys: evaluate, name, question"):
        ablation_of(described(colour=1))
    with pytest.raises(ConfigError, match="ablation odd: question is missing"):
        ablation_of({"name": "odd", "variants": {}})


def test_a_variant_without_fine_tuning_is_evaluated_as_it_was_pretrained() -> None:
    variants = {"whole": Variant(), "not_finetuned": Variant(skip_finetuning=True)}
    stages = stages_of(Ablation("steps", "Enough?", variants), SCALE, seeds=[3], folder=ROOT, trainings=SHARED)
    pretrained = next(stage.folder for stage in stages if "experiment=first" in stage.overrides)
    asked = next(stage for stage in stages if stage.folder == ROOT / "not_finetuned/seed_3")
    assert asked.links == {"pretrain": pretrained}
    assert asked.after == (pretrained,)
    assert f"checkpoint={pretrained}/compressor" in asked.overrides
    assert len(stages) == 1 + 2 + 2
    nothing = {"none": Variant(skip_pretraining=True, skip_finetuning=True)}
    with pytest.raises(ConfigError, match="variant none skips both trainings"):
        stages_of(Ablation("steps", "Enough?", nothing), SCALE, seeds=[3], folder=ROOT, trainings=SHARED)


def test_results_of_further_words_are_told_apart_and_resources_are_no_such_words() -> None:
    def made(**more: Any) -> list[Stage]:
        ablation = Ablation("any", "Which?", {"plain": Variant()})
        return stages_of(ablation, SCALE, seeds=[0], folder=ROOT, trainings=SHARED, **more)

    def told(stages: list[Stage]) -> set[bool]:
        words = [word for stage in stages for word in stage.overrides if word.startswith("conditions=")]
        return {'overrides: "x=1 benchmark.limit=50"' in word for word in words}

    plain, two, four = made(), made(resources=["threads=2"]), made(resources=["threads=4"])
    assert [stage.mark for stage in plain] == [stage.mark for stage in two] == [stage.mark for stage in four]
    assert [stage.folder for stage in plain] == [stage.folder for stage in four]
    assert all("threads=4" in stage.overrides for stage in four)
    assert told(plain) == {False}
    assert told(made(more_training=["x=1"], more_evaluation=["benchmark.limit=50"])) == {True}
