"""An ablation, from its configuration."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from arc_encoder.config.compose import composed, config_dir_of_run
from arc_encoder.config.overrides import check_command_line
from arc_encoder.config.validation.keys import keys_of
from arc_encoder.config.validation.suggestions import suggest
from arc_encoder.core.errors import ConfigError
from arc_encoder.evaluation.runs.folder import mark_running
from arc_encoder.tools.ablation.stages import Scale, Stage, ablation_of, stages_of, words_of
from arc_encoder.tools.ablation.work import finished_folders, run_stages

RUNNING = ("scale.jobs=", "scale.threads=", "scale.start=", "scale.start.")  # no result hangs on them


@dataclass(frozen=True)
class Study:
    """An ablation that was looked at and can run."""

    stages: list[Stage]
    finished: set[Path]
    start: Any
    jobs: int


def study_of(config: DictConfig) -> Study:
    """The stages of `config`, every one of them checked.

    Raises:
        ConfigError: every mistake of every command.
    """
    _refuse_several()
    check_settings(config)
    scale: Scale = instantiate(config.scale, _convert_="all")
    stages = stages_of_config(config, scale)
    check_stages(stages, first_seed=config.seeds[0], shared=list(config.overrides))
    jobs = scale.jobs if config.jobs is None else config.jobs
    return Study(stages, set(finished_folders(stages)), scale.start, jobs)


def run_study(study: Study) -> None:
    """Run what is not finished; see `run_stages`."""
    for stage in study.stages:
        if stage.command == "arc-eval" and stage.folder not in study.finished:
            mark_running(stage.folder)  # nobody should take them for those of the words above
    own = config_dir_of_run()
    run_stages(study.stages, start=study.start, jobs=study.jobs, options=["--config-dir", own] if own else [])


def _refuse_several() -> None:
    """Raise `ConfigError` if several ablations or scales were chosen: they would be mixed into one."""
    for word in HydraConfig.get().overrides.task if HydraConfig.initialized() else ():
        if word.startswith(("ablation=[", "scale=[")) and "," in word:
            raise ConfigError(f"{word}: one command takes one; give one of them, and then the next")


def check_settings(config: DictConfig) -> None:
    """Hold the settings that no signature checks against what they must be.

    Raises:
        ConfigError: every one that is something else.
    """
    examples = {
        "variants": "names, such as [mean,last]",
        "overrides": "words for all commands, such as [paths.corpus=/data]",
        "train_overrides": "words for the trainings, such as [data.batch_size=8]",
        "eval_overrides": "words for the evaluations, such as [benchmark.limit=50]",
    }
    problems = []
    for key, expected in examples.items():
        if not OmegaConf.is_list(config[key]) or not all(isinstance(each, str) for each in config[key]):
            problems.append(f"{key}={config[key]}: expected a list of {expected}")
    seeds = config.seeds
    if not OmegaConf.is_list(seeds) or not all(_is_number(seed, 0) for seed in seeds):
        problems.append(f"seeds={seeds}: expected a list of whole numbers from 0 on, such as [0,1,2]")
    if config.jobs is not None and not _is_number(config.jobs, 1):
        problems.append(f"jobs={config.jobs}: expected a whole number from 1 on, or null for the scale's")
    if not isinstance(config.dry_run, bool):
        problems.append(f"dry_run={config.dry_run}: expected true or false")
    if problems:
        raise ConfigError("\n  - ".join(["arc-ablate cannot begin:", *problems]))


def _is_number(value: Any, lowest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= lowest


def stages_of_config(config: DictConfig, scale: Scale) -> list[Stage]:
    """The stages of a composed configuration at `scale`.

    Raises:
        ConfigError: a variant that is not there, or a setting that makes no sense.
    """
    described: Any = OmegaConf.to_container(config.ablation, resolve=True)
    ablation = ablation_of(described)
    for name in config.variants:
        if name not in ablation.variants:
            raise ConfigError(f"ablation {ablation.name} has no variant {name!r}{suggest(name, ablation.variants)}")
    if config.variants:
        ablation = replace(ablation, variants={name: ablation.variants[name] for name in config.variants})
    threads = scale.threads if config.threads is None else config.threads
    return stages_of(
        ablation,
        scale,
        seeds=list(config.seeds),
        folder=Path(config.folder),
        trainings=Path(config.trainings),
        more=list(config.overrides),
        more_training=list(config.train_overrides),
        more_evaluation=list(config.eval_overrides),
        resources=[] if threads is None else [f"threads={threads}"],
        by_hand=_by_hand(),
        identify=cache_identities(),
    )


def _by_hand() -> list[str]:
    """Words of the command line that change the chosen ablation or scale, but for how its commands are run."""
    if not HydraConfig.initialized():
        return []
    words = [word.lstrip("+~") for word in HydraConfig.get().overrides.task]
    return [word for word in words if word.startswith(("scale.", "ablation.")) and not word.startswith(RUNNING)]


def cache_identities() -> Callable[[Sequence[str]], str]:
    """A function from a training's overrides to the configuration that they compose, as text.

    `truncate_layers=0` is the same training as no word about it where that is the default. Where it writes does
    not matter, where it reads does. Overrides that do not compose stand for themselves; `check_stages` says what is wrong with them.
    """

    @cache
    def identify(*words: str) -> str:
        try:
            kept: Any = OmegaConf.to_container(composed("train", words), resolve=False)
        except (HydraException, OmegaConfBaseException):
            return words_of(words)
        kept.pop("experiment_name", None)
        kept["paths"] = {key: path for key, path in kept["paths"].items() if key not in ("run", "logs")}
        return json.dumps(kept, sort_keys=True)

    return lambda overrides: identify(*overrides)


def check_stages(stages: list[Stage], *, first_seed: int, shared: Sequence[str] = ()) -> None:
    """Hold every command against the configurations before the first one runs; further seeds differ in nothing.

    Args:
        shared: overrides that all commands were given; one that only one kind knows is told with where it belongs.

    Raises:
        ConfigError: every mistake of every command.
    """
    problems: dict[tuple[str, str], str] = {}  # title and mistake → command
    for stage in stages:
        if stage.seed not in (None, first_seed):
            continue
        name = stage.command.removeprefix("arc-")
        given = Namespace(
            overrides=stage.words, config_name=None, config_dir=config_dir_of_run(), config_path=None, multirun=False
        )
        try:
            found, _ = check_command_line(given, name, keys=keys_of(name), ignored=("ckpt", "model.init_from"))
        except (HydraException, OmegaConfBaseException) as error:
            found = [str(error)]
        problems |= {(stage.title, problem): stage.command for problem in found}
    if problems:
        messages = _tell(problems, shared)
        raise ConfigError("\n  - ".join(["the ablation's commands cannot run:", *messages]))


def _tell(problems: Mapping[tuple[str, str], str], shared: Sequence[str]) -> list[str]:
    """Mistakes in words; an override of all commands that one kind does not know is told once, with where it belongs."""
    unknown = {
        word: {command for (_, problem), command in problems.items() if _does_not_know(problem, word)}
        for word in shared
    }
    places = {"arc-eval": ("trainings", "train_overrides"), "arc-train": ("evaluations", "eval_overrides")}
    messages = []
    misplaced = {word: next(iter(commands)) for word, commands in unknown.items() if len(commands) == 1}
    for word, command in misplaced.items():
        kind, setting = places[command]
        messages.append(
            f"overrides={word}: {command} has no such setting, and overrides are given to all commands; "
            f"give it to the {kind} alone: \"{setting}=['{word}']\""
        )
    for (title, problem), command in problems.items():
        if not any(command == where and _does_not_know(problem, word) for word, where in misplaced.items()):
            messages.append(f"{title}: {problem}")
    return messages


def _does_not_know(problem: str, word: str) -> bool:
    """Whether `problem` says that there is no such key, or no such group, as `word` sets."""
    key = word.split("=")[0].lstrip("+~")
    added = f"{key.split('.')[0]}: unknown key"
    return problem.startswith((f"{key}: there is no ", added)) or f"Could not override '{key}'" in problem
