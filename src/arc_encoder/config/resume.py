"""Going on with a run: `--resume <run>`, `resume=<path>`, `resume=auto`, and what has changed since.

`--resume` reads the run's own config.yaml in the place of the project's configurations, so that
nothing but the folder is needed; words behind it change single values, as everywhere.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from lightning.fabric.utilities.rank_zero import rank_zero_only
from omegaconf import OmegaConf

from arc_encoder.config.paths import configs_folder
from arc_encoder.config.renamed import with_current_targets
from arc_encoder.core.atomic import write_text_atomically
from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.core.run_folder.record import changed_versions, read_starts
from arc_encoder.training.checkpoints.checkpoint_files import (
    DAMAGED,
    fault_of,
    last_good,
    newest_first,
    resume_command,
    steps_of,
)

log = logging.getLogger(__name__)
AUTO = "auto"
SETTINGS = "resume"  # folder of a run that holds what --resume gives to Hydra, and nothing that Hydra would confuse with its own
# Parts of a configuration that decide neither weights nor losses.
HARMLESS = (
    "callbacks",
    "logger",
    "paths",
    "resume",
    "threads",
    "experiment_name",
    "sweep_metric",
    "trainer.log_every_n_steps",
)


def is_first_process() -> bool:
    """Whether this is the first of all processes of the run: the one that writes."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


def expand_resume(arguments: list[str], command: str = "train") -> list[str]:
    """The command line without `--resume <run>`, which becomes what Hydra understands.

    Changes to the folder in which the run was started, as paths in its configuration may be relative.

    Args:
        arguments: words of the command line, the command itself left out.
        command: what wrote the run: train, whose checkpoint is looked for, or eval.

    Raises:
        ConfigError: no folder behind it, or words that cannot be combined with it.
        CheckpointError: the folder is no run.
    """
    given = [i for i, word in enumerate(arguments) if word == "--resume" or word.startswith("--resume=")]
    if not given:
        return arguments
    place = given[0]
    rest = [*arguments[:place], *arguments[place + 1 :]]
    value = arguments[place].removeprefix("--resume").removeprefix("=")
    if arguments[place] == "--resume" and place < len(rest) and not rest[place].startswith("-"):
        value = rest.pop(place)
    if not value or len(given) > 1:
        raise ConfigError(
            f"--resume needs the folder of one run, such as: arc-{command} --resume logs/{command}/<date_time>"
        )
    run, checkpoint = run_of(Path(value), command)
    _check_words(rest)
    starts = read_starts(run)
    folder = Path(starts[-1]["folder"]) if starts else Path.cwd()
    if folder != Path.cwd() and folder.is_dir():
        sys.argv[0] = os.path.abspath(sys.argv[0]) if os.path.exists(sys.argv[0]) else sys.argv[0]
        os.chdir(folder)
        print(f"paths are read from {folder}, where the run was started", file=sys.stderr)
    _write_settings(run, command)
    place_of_run = [f"paths.run={_quoted(run)}", f"hydra.run.dir={_quoted(run)}", "hydra.output_subdir=null"]
    settings = ["--config-path", str(run / SETTINGS), "--config-name", command, *place_of_run]
    if command != "train":
        return [*settings, *rest]
    own = [word for word in rest if not word.startswith("resume=")]
    chosen = [word for word in rest if word.startswith("resume=")]
    if not chosen and checkpoint is None and not newest_first(run / "checkpoints"):
        print(f"{run} has no checkpoint yet: the run begins again, with its own settings", file=sys.stderr)
        chosen = ["resume=null"]
    chosen = chosen or [f"resume={_quoted(checkpoint or run)}"]
    return [*settings, *chosen, *own]


def run_of(path: Path, command: str = "train") -> tuple[Path, Path | None]:
    """The run that a path names: its folder, and the checkpoint if it is one.

    Raises:
        CheckpointError: the path is neither.
    """
    path = path.resolve()
    if not path.exists():
        raise CheckpointError(
            f"--resume {path}: there is no such folder; give the folder of a run, the one with config.yaml"
        )
    is_checkpoint = path.suffix == ".ckpt"
    run = path.parent.parent if is_checkpoint else path
    if not (run / "config.yaml").is_file():
        raise CheckpointError(
            f"--resume {path}: this is no run of arc-{command}, for {run} holds no config.yaml; "
            f"give the folder that it wrote, such as logs/{command}/<date_time>"
        )
    return run, path if is_checkpoint else None


def _check_words(words: list[str]) -> None:
    """Refuse what would mean something else in a configuration that is resolved already."""
    groups = {str(folder.relative_to(configs_folder())) for folder in configs_folder().rglob("*") if folder.is_dir()}
    for word in words:
        if word.startswith(("--multirun", "-m", "--config", "-cn", "-cp", "-cd")):
            raise ConfigError(f"{word} cannot be combined with --resume, which reads the run's own configuration")
        if word.startswith("-"):
            continue
        try:
            override = OverridesParser.create().parse_overrides([word])[0]
        except HydraException:
            continue  # told with all other mistakes
        group, value = override.key_or_group.split("@")[0], override.value()
        if group in groups and (isinstance(value, str | list) or value is None):
            raise ConfigError(
                f"{word}: --resume goes on with the choices that the run began with; change single values, such as "
                f"{group.replace('/', '.')}.<key>=<value>, or start another run with resume=<path>"
            )


def read_config(run: Path) -> Any:
    """The configuration that a run began with, in current names."""
    return with_current_targets(OmegaConf.to_container(OmegaConf.load(run / "config.yaml")))


def _write_settings(run: Path, command: str) -> None:
    """Copy the run's config.yaml to where Hydra reads it; if the run was moved, its old folder becomes the new one."""
    try:
        config = read_config(run)
        old = config["paths"]["run"]
    except Exception as error:  # whatever a spoilt file makes the YAML parser raise
        raise CheckpointError(
            f"{run / 'config.yaml'} cannot be read ({error}); it must be what the run wrote"
        ) from error

    def moved(value: Any, writes: bool = True) -> Any:
        """`writes`: among what a run writes; elsewhere the folder's bare name may be another word, such as a task's."""
        if isinstance(value, dict):
            return {key: moved(inner, writes) for key, inner in value.items()}
        if isinstance(value, list):
            return [moved(inner, writes) for inner in value]
        if isinstance(value, str) and ((value == old and writes) or value.startswith(f"{old}/")):
            return str(run) + value.removeprefix(old)
        return value

    config = {key: moved(part, key in ("paths", "logger", "callbacks")) for key, part in config.items()}

    (run / SETTINGS).mkdir(exist_ok=True)
    write_text_atomically(run / SETTINGS / f"{command}.yaml", OmegaConf.to_yaml(OmegaConf.create(config)))


def _quoted(path: Path) -> str:
    """A path as a value that Hydra takes as it is."""
    return "'" + str(path).replace("'", "\\'") + "'"


def find_checkpoint(resume: str | None, run: Path) -> str | None:
    """The checkpoint to go on from, every byte of it checked.

    Args:
        resume: a checkpoint, the folder of a run for its newest one, ``auto`` for the newest of `run`
            or a fresh start if there is none, None for a fresh start.
        run: the folder of this run.

    Raises:
        CheckpointError: there is none, or it is damaged; the one before is offered. With ``auto``, which
            nobody may be watching, the one before is taken and the damaged file set aside.
        ConfigError: `run` holds checkpoints of an earlier run that would be replaced.
    """
    if not is_first_process():  # the first process looks, and says what is wrong
        sound = last_good(run / "checkpoints") if resume == AUTO else None  # it may be renaming a damaged one just now
        return str(sound) if sound else _choose(resume, run)
    found = _choose(resume, run)
    while found is not None:
        path = Path(found)
        fault = fault_of(path)
        if fault is None:
            break
        before = next((other for other in newest_first(path.parent) if other != path and fault_of(other) is None), None)
        if resume != AUTO or before is None:
            offer = (
                f"the one before is sound; go on from it with: {resume_command(before)}"
                if before
                else "no other checkpoint there is sound; start again"
            )
            raise CheckpointError(f"the checkpoint {path} is damaged: {fault}; {offer}")
        aside = path.with_name(path.name + DAMAGED)
        os.replace(path, aside)
        log.warning(
            "the checkpoint %s is damaged: %s; it is now called %s, and the run goes on from %s",
            path,
            fault,
            aside.name,
            before,
        )
        found = _choose(resume, run)
    own = run / "checkpoints"
    if own.is_dir() and newest_first(own) and (found is None or Path(found).resolve().parent.parent != run.resolve()):
        raise ConfigError(
            f"{run} holds the checkpoints of an earlier run, which this one would replace; go on with that one by "
            f"arc-train --resume {run} (in a job that is started again and again: resume=auto), or choose another "
            "folder with paths.run=<folder>"
        )
    return found


def _choose(resume: str | None, run: Path) -> str | None:
    if resume is None:
        return None
    if resume == AUTO:
        newest = newest_first(run / "checkpoints")
        return str(newest[0]) if newest else None
    path = Path(resume)
    if path.is_file() or (path.suffix == ".ckpt" and path.is_dir()):
        return str(path)
    found = newest_first(path / "checkpoints")
    if not found:
        if (path / "config.yaml").is_file():
            raise CheckpointError(
                f"resume={resume}: this run has written no checkpoint yet (one comes every "
                "callbacks.checkpoint.every_n_train_steps optimizer steps); let it begin again with: "
                f"arc-train --resume {path}"
            )
        raise CheckpointError(f"resume={resume}: neither a checkpoint nor a run's folder with checkpoints/*.ckpt in it")
    return str(found[0])


def tell_changes(checkpoint: str, config: dict[str, Any], versions: dict[str, str]) -> None:
    """Log what differs from the run that wrote `checkpoint`: settings, and versions.

    Args:
        checkpoint: a sound checkpoint.
        config: the resolved configuration of this start.
        versions: of this start.

    Raises:
        ConfigError: the run is to end before the step that it has reached.
    """
    reached = steps_of(Path(checkpoint))
    steps = config["trainer"]["max_steps"]
    if 0 <= steps < reached:
        raise ConfigError(
            f"trainer.max_steps={steps}, but {checkpoint} was written after {reached} optimizer steps; "
            f"give at least {reached}, or an earlier checkpoint"
        )
    run = Path(checkpoint).resolve().parent.parent
    starts = read_starts(run)
    if starts and (changed := changed_versions(starts[-1]["versions"], versions)):
        log.warning("not what the run was last started with, so numbers may differ slightly: %s", ", ".join(changed))
    if not (run / "config.yaml").is_file():
        return
    before = read_config(run)
    old, new = _flat(before), _flat(config)
    changed_keys = [
        key
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key) and not any(key == part or key.startswith(f"{part}.") for part in HARMLESS)
    ]
    if not changed_keys:
        return
    shown = ", ".join(f"{key} {old.get(key)} → {new.get(key)}" for key in changed_keys)
    log.warning("changed since the last start, so this is not the run that was begun: %s", shown)
    if "trainer.max_steps" in changed_keys:
        log.warning(
            "trainer.max_steps also sets the schedule: from step %d on, learning rates follow a cycle of %d steps instead of %s; "
            "a run of %d steps from the beginning would have had other rates until here",
            reached, steps, old.get("trainer.max_steps"), steps,
        )  # fmt: skip


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        k: leaf
        for key, inner in value.items()
        for k, leaf in _flat(inner, f"{prefix}.{key}" if prefix else str(key)).items()
    }
