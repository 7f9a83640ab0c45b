"""From an ablation's variants to the commands that answer it, each with a folder of its own.

A variant is pretrained, fine-tuned and evaluated with every seed. Variants that differ in fine-tuning
alone share their pretraining.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arc_encoder.errors import ConfigError

PARTS = ("both", "pretrain", "finetune", "evaluate")


@dataclass(frozen=True)
class Variant:
    """One answer to the ablation's question.

    Attributes:
        both: overrides of both trainings.
        pretrain, finetune, evaluate: overrides of one command.
        skip_pretraining: fine-tune an encoder that was never pretrained.
        conditions: what tells this variant apart, for tables and heat maps.
    """

    both: Sequence[str] = ()
    pretrain: Sequence[str] = ()
    finetune: Sequence[str] = ()
    evaluate: Sequence[str] = ()
    skip_pretraining: bool = False
    conditions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scale:
    """What all variants have in common.

    Attributes:
        name: of the folders.
        pretrain, finetune, evaluate: overrides of each command.
        reference: overrides of one more evaluation, of the systems that need no training; none if empty.
        values: what variants refer to, such as a number of steps, because it depends on the scale.
    """

    name: str
    pretrain: Sequence[str]
    finetune: Sequence[str]
    evaluate: Sequence[str]
    reference: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """One command.

    Attributes:
        title: for the progress bar.
        command: arc-train or arc-eval.
        overrides: its words.
        folder: where it writes; finished once it holds the file `done`.
        after: folders of the stages that must be finished before.
    """

    title: str
    command: str
    overrides: tuple[str, ...]
    folder: Path
    after: tuple[Path, ...] = ()

    @property
    def words(self) -> list[str]:
        """The overrides, with the folder that it writes to."""
        return [*self.overrides, f"paths.run={self.folder}", f"hydra.run.dir={self.folder}", "hydra.output_subdir=null"]


def stages_of(
    name: str,
    variants: Mapping[str, Variant],
    scale: Scale,
    *,
    seeds: Sequence[int],
    folder: Path,
    more: Sequence[str] = (),
) -> list[Stage]:
    """Every command of an ablation, in an order in which they can run.

    Args:
        name: of the ablation.
        variants: by name.
        scale: what they have in common.
        seeds: of weights and data.
        folder: of the ablation.
        more: further overrides of all commands.

    Raises:
        ConfigError: no variant, or no seed.
    """
    if not variants or not seeds:
        raise ConfigError(f"ablation {name}: there is nothing to do without {'seeds' if variants else 'variants'}")
    stages: dict[Path, Stage] = {}
    if scale.reference:
        place = folder / "reference"
        told = _conditions({"ablation": name, "variant": "reference"})
        stages[place] = Stage("reference", "arc-eval", (*scale.evaluate, *scale.reference, told, *more), place)
    for seed in seeds:
        for variant_name, variant in variants.items():
            place = folder / variant_name / f"seed_{seed}"
            start: tuple[str, ...] = ()
            before: tuple[Path, ...] = ()
            if not variant.skip_pretraining:
                overrides = (*scale.pretrain, *variant.both, *variant.pretrain, f"seed={seed}", *more)
                digest = hashlib.sha256(json.dumps(sorted(overrides)).encode()).hexdigest()[:8]
                pretrained = folder / "pretraining" / f"{digest}_seed_{seed}"
                title = f"{variant_name}, seed {seed}: pretraining"
                stages.setdefault(pretrained, Stage(title, "arc-train", (*overrides, "resume=auto"), pretrained))
                start, before = (f"ckpt={pretrained / 'compressor'}",), (pretrained,)
            overrides = (
                *scale.finetune,
                *variant.both,
                *variant.finetune,
                *start,
                f"seed={seed}",
                *more,
                "resume=auto",
            )
            tuned = place / "finetune"
            stages[tuned] = Stage(f"{variant_name}, seed {seed}: fine-tuning", "arc-train", overrides, tuned, before)
            told = _conditions({"ablation": name, "variant": variant_name, "seed": seed, **variant.conditions})
            overrides = (*scale.evaluate, *variant.evaluate, f"checkpoint={tuned / 'compressor'}", told, *more)
            stages[place] = Stage(f"{variant_name}, seed {seed}: evaluation", "arc-eval", overrides, place, (tuned,))
    return list(stages.values())


def variant_of(name: str, given: Mapping[str, Any] | None) -> Variant:
    """A variant as a configuration describes it.

    Raises:
        ConfigError: an unknown key, or overrides that are no list.
    """
    values = dict(given or {})
    known = set(Variant.__dataclass_fields__)
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(f"variant {name}: unknown key {', '.join(unknown)}; valid keys: {', '.join(sorted(known))}")
    for part in PARTS:
        if not isinstance(values.get(part, []), list):
            raise ConfigError(f"variant {name}: {part} must be a list of overrides, such as [model.pooling.factor=8]")
    return Variant(**values)


def _conditions(values: Mapping[str, Any]) -> str:
    shown = ",".join(f"{key}: {json.dumps(value)}" for key, value in values.items())
    return f"conditions={{{shown}}}"
