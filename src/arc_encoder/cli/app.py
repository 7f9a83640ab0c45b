"""Running a command: overrides checked, configuration composed, errors told in plain words."""

from __future__ import annotations

import logging
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra import compose
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Sweep
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from arc_encoder.cli.check import check_config, find_problems, suggest
from arc_encoder.cli.compose import composing, import_modules
from arc_encoder.cli.locations import configs_folder, register_resolvers
from arc_encoder.errors import ArcError, ConfigError, Interrupted

FAILED = 2  # exit status of a run that a user's mistake ended


def run_app(
    config_name: str,
    task: Callable[[DictConfig], Any],
    *,
    keys: set[str],
    ignored: tuple[str, ...] = (),
    unbuilt: tuple[str, ...] = (),
) -> None:
    """Compose `config_name` from the command line and run `task` on it.

    Args:
        config_name: name of the primary configuration.
        task: what to do; its result is what sweepers optimise.
        keys: names allowed at the top level of the configuration.
        ignored: beginnings of mistakes that do not matter to this command.
        unbuilt: beginnings of parts that are checked, but not built before the command runs.
    """
    register_resolvers()
    quieten()
    arguments = get_args_parser().parse_args()

    def guarded(config: DictConfig) -> Any:
        try:
            import_modules(config.get("imports") or [])
            if arguments.multirun:  # a single run was checked before
                check_config(config, keys=keys, ignored=ignored, unbuilt=unbuilt)
            return task(config)
        except Interrupted as stop:
            if stop.status:  # of several processes, one says it
                print(str(stop), file=sys.stderr)
            sys.exit(stop.status)
        except ArcError as error:
            fail(str(error))
        except InstantiationException as error:  # Hydra wraps what a part says about its settings
            if not isinstance(error.__cause__, ArcError):
                raise
            fail(str(error.__cause__))
        except OmegaConfBaseException as error:
            fail(f"the configuration cannot be resolved: {error}")
        except Exception as error:
            if type(error).__name__ != "MisconfigurationException":
                raise
            fail(f"Lightning refuses the trainer's settings: {error}")

    if not (arguments.help or arguments.hydra_help or arguments.info or arguments.cfg):
        try:
            problems = check_command_line(arguments, config_name, keys=keys, ignored=ignored, unbuilt=unbuilt)
        except (HydraException, OmegaConfBaseException, ArcError) as error:
            fail(str(error))
        if problems:
            count = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''} in the configuration:"
            fail("\n  - ".join([count, *problems]))
    hydra.main(version_base="1.3", config_path=str(configs_folder()), config_name=config_name)(guarded)()


def fail(message: str) -> None:
    """Print an error in plain words and leave."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(FAILED)


def choose_device(name: str) -> str:
    """The device called `name`; ``auto`` takes a GPU if there is one.

    Raises:
        ConfigError: it cannot be used here.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device={name} cannot be used here ({str(error).splitlines()[0]}); choose auto, cpu or cuda"
        ) from error
    return name


def quieten() -> None:
    """Keep the libraries' chatter out of a user's terminal; warnings that matter stay."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    for pattern in (
        ".*in eval mode at the start of training.*",
        ".*treespec, LeafSpec.*",
        ".*Total length of `list` across ranks is zero.*",
        ".*does not have many workers.*",
        ".*overridden `transfer_batch_to_device`.*",
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*resuming from a checkpoint that ended before the epoch ended.*",
    ):
        warnings.filterwarnings("ignore", message=pattern)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_Chatter())


class _Chatter(logging.Filter):
    """Drops Lightning's advertisement lines and device tables."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        return not text.startswith(("💡", "GPU available", "TPU available", "HPU available"))


def check_command_line(
    arguments: Namespace,
    config_name: str,
    *,
    keys: set[str],
    ignored: tuple[str, ...] = (),
    unbuilt: tuple[str, ...] = (),
) -> list[str]:
    """Every mistake of the command line and of the configuration that it composes.

    Args:
        arguments: of Hydra's command line.
        config_name: name of the primary configuration.
        keys: names allowed at the top level of the configuration.
        ignored: beginnings of mistakes that do not matter to the command.
        unbuilt: beginnings of parts that are checked, but not built.

    Raises:
        ConfigError: the output folder cannot be written.
        HydraException: the configuration cannot be composed at all.
    """
    overrides = [override for text in arguments.overrides for override in _parsed(text)]
    name = arguments.config_name or config_name
    with composing(arguments.config_dir, root=arguments.config_path) as loader:
        problems: list[str] = []
        right: list[str] = []
        keyed = []
        for override in overrides:
            group = override.key_or_group.split("@")[0]
            choices = _options(loader, group)
            if not choices:
                keyed.append(override)
                continue
            unknown = [choice for choice in _choices(override.value()) if choice not in choices]
            problems += [f"{group}={choice}: no such choice{suggest(choice, choices)}" for choice in unknown]
            if not unknown and not override.is_sweep_override():
                right.append(str(override.input_line))
        config = compose(name, overrides=right, return_hydra_config=True)
        for override in keyed:
            adds = override.is_add() or override.is_force_add()
            unknown = [] if adds else _unknown_key(config, override.key_or_group)
            problems += unknown
            if not unknown and not override.is_sweep_override():
                right.append(str(override.input_line))
        config = compose(name, overrides=right, return_hydra_config=True)
        _need_writable(config.hydra.sweep.dir if arguments.multirun else config.hydra.run.dir)
        import_modules(config.get("imports") or [])
        problems += _sweep_problems(config, bool(arguments.multirun))
        return problems if arguments.multirun else problems + _composed_problems(config, keys, ignored, unbuilt)


def _parsed(text: str) -> list[Any]:
    """One override of the command line.

    Raises:
        ConfigError: it is not of the form that Hydra reads.
    """
    try:
        return list(OverridesParser.create().parse_overrides([text]))
    except HydraException as error:
        raise ConfigError(f"{text}: not an override of the form key=value ({str(error).splitlines()[0]})") from error


def _sweep_problems(config: DictConfig, multirun: bool) -> list[str]:
    """What fits only one of single run and sweep."""
    devices = (config.get("trainer") or {}).get("devices", 1)
    if multirun and ((OmegaConf.is_list(devices) and len(devices) > 1) or (isinstance(devices, int) and devices > 1)):
        return [
            f"trainer.devices={devices} with --multirun: the further processes of a run would start the whole sweep "
            "again; sweep with one device a run, or start the runs one by one"
        ]
    if multirun or not config.hydra.sweeper.get("params"):
        return []
    values = ", ".join(f"{key}={value}" for key, value in config.hydra.sweeper.params.items())
    return [f"a sweep was chosen ({values}), but this is a single run; add --multirun"]


def _options(loader: Any, group: str) -> list[str]:
    """Choices of a configuration group, those of its sub-folders as folder/name; none if it is no group."""
    inner = [
        f"{folder}/{name}"
        for folder in loader.get_group_options(group, ObjectType.GROUP)
        for name in _options(loader, f"{group}/{folder}")
    ]
    return sorted([*loader.get_group_options(group), *inner])


def _composed_problems(
    config: DictConfig, keys: set[str], ignored: tuple[str, ...], unbuilt: tuple[str, ...]
) -> list[str]:
    """Mistakes of a configuration composed with Hydra's own part, which some values refer to."""
    with read_write(config), open_dict(config):
        config.hydra.runtime.output_dir = "."
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        return find_problems(own, keys=keys, ignored=ignored, unbuilt=unbuilt)
    finally:
        HydraConfig.instance().cfg = before


def _choices(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, Sweep):
        items = getattr(value, "list", None) or []
        return [choice for item in items for choice in _choices(item)]
    if isinstance(value, list):
        return [choice for item in value for choice in _choices(item)]
    return [str(value)]


def _unknown_key(config: DictConfig, key: str) -> list[str]:
    node: Any = config
    parts = key.split(".")
    for depth, part in enumerate(parts):
        if OmegaConf.is_list(node):
            return []
        names = [str(name) for name in node] if OmegaConf.is_dict(node) else []
        if part not in names:
            parent = ".".join(parts[:depth])
            shown = [name for name in names if name not in ("hydra", "_target_", "_partial_")]
            return [f"{key}: there is no {part!r}{' in ' + parent if parent else ''}{suggest(part, shown)}"]
        if OmegaConf.is_missing(node, part):
            return []
        node = node._get_node(part)
    return []


def _need_writable(folder: str) -> None:
    """Hydra makes this folder before anything else; a user should learn in plain words that it cannot."""
    try:
        Path(folder).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the output folder {folder} cannot be made ({error.strerror}); choose another with paths.logs=<folder>"
        ) from error
