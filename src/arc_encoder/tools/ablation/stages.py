"""From an ablation's variants to the commands that answer it, each with a folder of its own.

A variant is pretrained, fine-tuned and evaluated with every seed. Trainings with the same settings are one
training, whichever variant or ablation asks for it: most ablations have a variant that is simply the default.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, replace
from pathlib import Path
from typing import Any

from arc_encoder.core.errors import ConfigError
from arc_encoder.tools.ablation.start import FreshProcess, Start

WORDS = ("both", "pretrain", "finetune", "evaluate", "reference")  # keys that hold overrides


@dataclass(frozen=True)
class Variant:
    """One answer to the ablation's question.

    Attributes:
        both: overrides of both trainings.
        pretrain, finetune, evaluate: overrides of one command; ``{compressor}`` in those of `evaluate` stands for the
            folder that was trained, for systems that are given one of their own.
        skip_pretraining: fine-tune an encoder that was never pretrained.
        skip_finetuning: evaluate what was pretrained as it is.
        conditions: what tells this variant apart, for tables and heat maps.
    """

    both: Sequence[str] = ()
    pretrain: Sequence[str] = ()
    finetune: Sequence[str] = ()
    evaluate: Sequence[str] = ()
    skip_pretraining: bool = False
    skip_finetuning: bool = False
    conditions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ablation:
    """A question and its possible answers."""

    name: str
    question: str
    variants: Mapping[str, Variant]
    evaluate: Sequence[str] = ()
    reference: Sequence[str] = ()


@dataclass(frozen=True)
class Scale:
    """What all variants have in common.

    Attributes:
        name: of the folders.
        pretrain, finetune, evaluate: overrides of each command.
        reference: overrides of one more evaluation, of the systems that need no training; none if empty.
        values: what variants refer to, such as a number of steps, because it depends on the scale.
        start: how the commands are started.
        jobs: commands at once.
        threads: CPU threads of each; None takes what torch finds.
    """

    name: str
    pretrain: Sequence[str]
    finetune: Sequence[str]
    evaluate: Sequence[str]
    reference: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    start: Start = field(default_factory=FreshProcess)
    jobs: int = 1
    threads: int | None = None


@dataclass(frozen=True)
class Stage:
    """One command.

    Attributes:
        folder: where it writes; finished once it holds the file `done`.
        identity: what the stage does, in a form that does not depend on who asks for it; its words if empty.
        seed: None if it hangs on none.
    """

    title: str
    command: str
    overrides: tuple[str, ...]
    folder: Path
    after: tuple[Path, ...] = ()
    identity: str = ""
    links: Mapping[str, Path] = field(default_factory=dict)
    seed: int | None = None

    @property
    def words(self) -> list[str]:
        """The overrides, with the folder that it writes to."""
        return [*self.overrides, f"paths.run={self.folder}", f"hydra.run.dir={self.folder}", "hydra.output_subdir=null"]

    @property
    def mark(self) -> str:
        """What it does, as its file `done` says, so that a stage that has changed is made again."""
        return self.identity or "\n".join([self.command, *self.overrides]) + "\n"


def words_of(overrides: Sequence[str]) -> str:
    """The simplest identity of a training: its overrides, in any order."""
    return json.dumps(sorted(overrides))


def stages_of(
    ablation: Ablation,
    scale: Scale,
    *,
    seeds: Sequence[int],
    folder: Path,
    trainings: Path,
    more: Sequence[str] = (),
    more_training: Sequence[str] = (),
    more_evaluation: Sequence[str] = (),
    resources: Sequence[str] = (),
    by_hand: Sequence[str] = (),
    identify: Callable[[Sequence[str]], str] = words_of,
) -> list[Stage]:
    """Every command of an ablation, in an order in which they can run.

    Args:
        resources: words of all commands on which no result hangs, such as the number of threads.
        by_hand: changes of `ablation` or `scale` themselves, for the conditions of the results.

    Raises:
        ConfigError: no variant, or no seed.
    """
    name, variants = ablation.name, ablation.variants
    if not variants or not seeds:
        raise ConfigError(f"ablation {name}: there is nothing to do without {'seeds' if variants else 'variants'}")
    stages: dict[Path, Stage] = {}
    all_trained, all_asked = (*more, *more_training), (*more, *more_evaluation)
    same = {"ablation": name, "scale": scale.name}
    extra = " ".join([*by_hand, *more, *more_training, *more_evaluation])
    changed = {"overrides": extra} if extra else {}  # results of other settings are another thing

    def training(title: str, overrides: Sequence[str], seed: int, start: Path | None = None) -> Path:
        """The folder of a training, which joins the stages unless it is there."""
        known = identify([*overrides, *([f"ckpt={start.name.removesuffix(f'_seed_{seed}')}"] if start else [])])
        digest = hashlib.sha256(known.encode()).hexdigest()
        place = trainings / f"{digest[:10]}_seed_{seed}"
        begun = [f"ckpt={start / 'compressor'}"] if start else []
        words = (*overrides, *begun, *resources, f"seed={seed}", "resume=auto")
        after = (start,) if start else ()
        stages.setdefault(place, Stage(title, "arc-train", words, place, after, f"{digest}\n", seed=seed))
        return place

    def evaluation(title: str, words: Sequence[str], place: Path, *given: Any, **named: Any) -> Stage:
        mark = "\n".join(["arc-eval", *words]) + "\n"
        return replace(Stage(title, "arc-eval", (*words, *resources), place, *given, **named), identity=mark)

    if scale.reference:
        place = folder / "reference"
        conditions = _conditions({**same, "variant": "reference", **changed})
        words = (*scale.evaluate, *scale.reference, *ablation.evaluate, *ablation.reference, conditions, *all_asked)
        stages[place] = evaluation("reference", words, place)
    for seed in seeds:
        for variant_name, variant in variants.items():
            place, title = folder / variant_name / f"seed_{seed}", f"{variant_name}, seed {seed}"
            links: dict[str, Path] = {}
            if not variant.skip_pretraining:
                words = (*scale.pretrain, *variant.both, *variant.pretrain, *all_trained)
                links["pretrain"] = training(f"{title}: pretraining", words, seed)
            if not variant.skip_finetuning:
                words = (*scale.finetune, *variant.both, *variant.finetune, *all_trained)
                links["finetune"] = training(f"{title}: fine-tuning", words, seed, links.get("pretrain"))
            if not links:
                raise ConfigError(
                    f"ablation {name}: variant {variant_name} skips both trainings, and nothing is left of it"
                )
            trained = links.get("finetune") or links["pretrain"]
            conditions = _conditions({**same, "variant": variant_name, "seed": seed, **variant.conditions, **changed})
            made = str(trained / "compressor")
            asked = [word.replace("{compressor}", made) for word in variant.evaluate]
            words = (*scale.evaluate, *ablation.evaluate, *asked, f"checkpoint={made}", conditions, *all_asked)
            stages[place] = evaluation(f"{title}: evaluation", words, place, (trained,), links=links, seed=seed)
    return list(stages.values())


def ablation_of(given: Mapping[str, Any]) -> Ablation:
    """An ablation as a configuration describes it.

    Raises:
        ConfigError: an unknown or missing key, variants that have no names, or overrides that are no list.
    """
    values = dict(given)
    title, described = f"ablation {values.get('name', '')}".strip(), values.get("variants") or {}
    if not isinstance(described, Mapping):
        raise ConfigError(
            f"{title}: variants={described!r} must be names with what each changes, a line each, "
            "such as 'causal: {both: [model.encoder.causal=true]}'; a variant that changes nothing is 'plain: {}'"
        )
    values["variants"] = {str(name): _made(Variant, f"variant {name}", each or {}) for name, each in described.items()}
    made: Ablation = _made(Ablation, title, values)
    return made


def _made(kind: type[Any], title: str, values: Any) -> Any:
    known = kind.__dataclass_fields__
    if not isinstance(values, Mapping):
        raise ConfigError(f"{title}: {values!r} is no set of keys; valid keys: {', '.join(sorted(known))}")
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{title}: unknown key {', '.join(unknown)}; valid keys: {', '.join(sorted(known))}")
    missing = [key for key, field in known.items() if field.default is MISSING and field.default_factory is MISSING]
    missing = [key for key in missing if key not in values]
    if missing:
        raise ConfigError(f"{title}: {', '.join(missing)} is missing")
    for part in WORDS:
        if part in known and not _are_words(values.get(part, [])):
            raise ConfigError(f"{title}: {part} must be a list of overrides, such as [model.pooling.factor=8]")
    if not isinstance(values.get("conditions", {}), Mapping):
        raise ConfigError(f"{title}: conditions must be keys with values, such as {{layers_left_out: 2}}")
    return kind(**values)


def _are_words(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(word, str) for word in given)


def _conditions(values: Mapping[str, Any]) -> str:
    shown = ",".join(f"{key}: {json.dumps(value)}" for key, value in values.items())
    return f"conditions={{{shown}}}"
