"""`arc-ablate`: pretrain, fine-tune and evaluate every variant of an ablation with several seeds.

Run command: ``arc-ablate ablation=pooling``, ``arc-ablate ablation=pooling scale=paper dry_run=true``. The same
words again go on where it stopped.
"""

from __future__ import annotations

import json
import shlex
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from arc_encoder.cli.app import run_app
from arc_encoder.cli.check import suggest
from arc_encoder.cli.command_line import check_command_line
from arc_encoder.cli.compose import composing, config_dir_of_run
from arc_encoder.cli.evaluate import KEYS as EVAL_KEYS
from arc_encoder.cli.train import KEYS as TRAIN_KEYS
from arc_encoder.errors import ConfigError
from arc_encoder.study.stages import Scale, Stage, ablation_of, stages_of, words_of
from arc_encoder.study.work import is_done, run_stages

KEYS = {
    "ablation",
    "scale",
    "variants",
    "seeds",
    "jobs",
    "threads",
    "overrides",
    "dry_run",
    "paths",
    "folder",
    "trainings",
}


def ablate(config: DictConfig) -> None:
    """Run the stages of `config`, or print their commands."""
    scale: Scale = instantiate(config.scale, _convert_="all")
    stages = stages_of_config(config, scale)
    check_stages(stages, first_seed=config.seeds[0])
    left = [stage for stage in stages if not is_done(stage)]
    if config.dry_run:
        for stage in stages:
            print(f"{'# done: ' if stage not in left else ''}{stage.command} {shlex.join(stage.words)}")
        return
    print(f"{config.ablation.question} {len(stages)} stages, {len(stages) - len(left)} of them finished before")
    own = config_dir_of_run()
    run_stages(stages, start=scale.start, jobs=config.jobs, options=["--config-dir", own] if own else [])
    print(f"finished: {config.folder}; compare with: arc-report {config.folder}")


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
    threads = [] if config.threads is None else [f"threads={config.threads}"]
    return stages_of(
        ablation,
        scale,
        seeds=list(config.seeds),
        folder=Path(config.folder),
        trainings=Path(config.trainings),
        more=[*threads, *config.overrides],
        identify=cache_identities(),
    )


def cache_identities() -> Callable[[Sequence[str]], str]:
    """A function from a training's overrides to the configuration that they compose, as text.

    `truncate_layers=0` is the same training as no word about it where that is the default. Overrides that do not
    compose stand for themselves; `check_stages` says what is wrong with them.
    """
    known: dict[tuple[str, ...], str] = {}

    def identify(overrides: Sequence[str]) -> str:
        words = tuple(overrides)
        if words not in known:
            try:
                with composing(config_dir_of_run()):
                    config = compose("train", overrides=list(words))
                kept = OmegaConf.masked_copy(
                    config, [str(key) for key in config if key not in ("paths", "experiment_name")]
                )
                known[words] = json.dumps(OmegaConf.to_container(kept, resolve=False), sort_keys=True)
            except (HydraException, OmegaConfBaseException):
                known[words] = words_of(words)
        return known[words]

    return identify


def check_stages(stages: list[Stage], *, first_seed: int) -> None:
    """Hold every command against the configurations before the first one runs; further seeds differ in nothing.

    Raises:
        ConfigError: every mistake of every command.
    """
    problems: dict[str, None] = {}
    for stage in stages:
        if any(word.startswith("seed=") and word != f"seed={first_seed}" for word in stage.overrides):
            continue
        name, keys = ("train", TRAIN_KEYS) if stage.command == "arc-train" else ("eval", EVAL_KEYS)
        given = Namespace(
            overrides=stage.words, config_name=None, config_dir=config_dir_of_run(), config_path=None, multirun=False
        )
        try:
            found, _ = check_command_line(given, name, keys=keys, ignored=("ckpt", "model.init_from"))
        except (HydraException, OmegaConfBaseException) as error:
            found = [str(error)]
        problems |= {f"{stage.title}: {problem}": None for problem in found}
    if problems:
        raise ConfigError("\n  - ".join(["the ablation's commands cannot run:", *problems]))


def leave_on_sigterm() -> None:
    """Let a cluster's SIGTERM end this process like an exception, so that the commands that it started are asked to stop."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def main() -> None:
    """Console entry point."""
    leave_on_sigterm()
    run_app("ablate", ablate, keys=KEYS)


if __name__ == "__main__":
    main()
