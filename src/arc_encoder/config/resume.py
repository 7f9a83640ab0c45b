"""Resuming a run on the command line: `--resume <run>`.

`--resume` reads the run's own config.yaml in the place of the project's configurations, so that
nothing but the folder is needed; words behind it change single values, as everywhere.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from arc_encoder.config.paths import configs_folder
from arc_encoder.core.atomic import write_text_atomically
from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.core.run_folder.record import read_starts
from arc_encoder.core.run_folder.renamed import with_current_names
from arc_encoder.training.checkpoints.checkpoint_files import list_checkpoints

SETTINGS = "resume"  # folder of a run that holds what --resume gives to Hydra, and nothing that Hydra would confuse with its own


def expand_resume(arguments: list[str], command: str = "train") -> list[str]:
    """The command line without `--resume <run>`, which becomes what Hydra understands.

    Changes to the folder in which the run was started, as paths in its configuration may be relative.

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
    if not chosen and checkpoint is None and not list_checkpoints(run / "checkpoints"):
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
                f"{word}: --resume continues with the choices that the run began with; change single values, such as "
                f"{group.replace('/', '.')}.<key>=<value>, or start another run with resume=<path>"
            )


def _write_settings(run: Path, command: str) -> None:
    """Copy the run's config.yaml to where Hydra reads it; if the run was moved, its old folder becomes the new one."""
    try:
        config = with_current_names(OmegaConf.to_container(OmegaConf.load(run / "config.yaml")))
        old = config["paths"]["run"]
    except Exception as error:  # whatever a corrupted file makes the YAML parser raise
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
