"""The commands of an ablation, held against the configurations before the first one runs."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from arc_encoder.config.compose import config_dir_of_run
from arc_encoder.config.overrides import check_command_line
from arc_encoder.config.validation.keys import KEYS
from arc_encoder.core.errors import ConfigError
from arc_encoder.tools.ablation.stages import Stage


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
            found, _ = check_command_line(given, name, keys=KEYS[name], ignored=("ckpt", "model.init_from"))
        except (HydraException, OmegaConfBaseException) as error:
            found = [str(error)]
        problems |= {(stage.title, problem): stage.command for problem in found}
    if problems:
        told = _tell(problems, shared)
        raise ConfigError("\n  - ".join(["the ablation's commands cannot run:", *told]))


def _tell(problems: Mapping[tuple[str, str], str], shared: Sequence[str]) -> list[str]:
    """Mistakes in words; an override of all commands that one kind does not know is told once, with where it belongs."""
    unknown = {
        word: {command for (_, problem), command in problems.items() if _does_not_know(problem, word)}
        for word in shared
    }
    places = {"arc-eval": ("trainings", "train_overrides"), "arc-train": ("evaluations", "eval_overrides")}
    told = []
    misplaced = {word: next(iter(commands)) for word, commands in unknown.items() if len(commands) == 1}
    for word, command in misplaced.items():
        kind, setting = places[command]
        told.append(
            f"overrides={word}: {command} has no such setting, and overrides are given to all commands; "
            f"give it to the {kind} alone: \"{setting}=['{word}']\""
        )
    for (title, problem), command in problems.items():
        if not any(command == where and _does_not_know(problem, word) for word, where in misplaced.items()):
            told.append(f"{title}: {problem}")
    return told


def _does_not_know(problem: str, word: str) -> bool:
    """Whether `problem` says that there is no such key, or no such group, as `word` sets."""
    key = word.split("=")[0].lstrip("+~")
    added = f"{key.split('.')[0]}: unknown key"
    return problem.startswith((f"{key}: there is no ", added)) or f"Could not override '{key}'" in problem
