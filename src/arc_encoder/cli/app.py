"""Running a command: overrides checked, configuration composed, errors told in plain words."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Sweep
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from arc_encoder.cli.check import check_config, suggest
from arc_encoder.cli.locations import configs_folder, register_resolvers
from arc_encoder.errors import ArcError

FAILED = 2  # exit status of a run that a user's mistake ended


def run_app(config_name: str, task: Callable[[DictConfig], Any], *, keys: set[str]) -> None:
    """Compose `config_name` from the command line and run `task` on it.

    Args:
        config_name: name of the primary configuration.
        task: what to do; its result is what sweepers optimise.
        keys: names allowed at the top level of the configuration.
    """
    register_resolvers()
    quieten()

    def guarded(config: DictConfig) -> Any:
        try:
            check_config(config, keys=keys)
            return task(config)
        except ArcError as error:
            fail(str(error))
        except OmegaConfBaseException as error:
            fail(f"the configuration cannot be resolved: {error}")

    try:
        problems = check_overrides(config_name)
    except (HydraException, OmegaConfBaseException, ArcError) as error:
        fail(str(error))
    if problems:
        fail("\n  - ".join([f"{len(problems)} mistake{'s' if len(problems) > 1 else ''} on the command line:", *problems]))
    hydra.main(version_base="1.3", config_path=str(configs_folder()), config_name=config_name)(guarded)()


def fail(message: str) -> None:
    """Print an error in plain words and leave."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(FAILED)


def quieten() -> None:
    """Keep the libraries' chatter out of a user's terminal; warnings that matter stay."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    for pattern in (".*in eval mode at the start of training.*", ".*treespec, LeafSpec.*", ".*does not have many workers.*", ".*overridden `transfer_batch_to_device`.*"):
        warnings.filterwarnings("ignore", message=pattern)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_Chatter())


class _Chatter(logging.Filter):
    """Drops Lightning's advertisement lines and device tables."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        return not text.startswith(("💡", "GPU available", "TPU available", "HPU available"))


def check_overrides(config_name: str) -> list[str]:
    """Every override of the command line that names a key or a choice that does not exist."""
    arguments = get_args_parser().parse_args()
    if arguments.help or arguments.hydra_help or arguments.info or arguments.cfg:
        return []
    overrides = OverridesParser.create().parse_overrides(arguments.overrides)
    if arguments.config_dir:
        _need_folder(arguments.config_dir)
    with initialize_config_dir(str(configs_folder()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        name = arguments.config_name or config_name
        if arguments.config_dir:
            loader.get_search_path().append("command-line", f"file://{Path(arguments.config_dir).resolve()}")
            loader.repository.initialize_sources(loader.get_search_path())
        problems, chosen = [], []
        for override in overrides:
            group = override.key_or_group.split("@")[0]
            choices = loader.get_group_options(group)
            if not choices:
                continue
            wanted = _choices(override.value())
            unknown = [choice for choice in wanted if choice not in choices]
            problems += [f"{group}={choice}: no such choice{suggest(choice, choices)}" for choice in unknown]
            if not unknown and not override.is_sweep_override():
                chosen.append(override.input_line)
        config = compose(name, overrides=chosen, return_hydra_config=True)
        for override in overrides:
            key = override.key_or_group
            if loader.get_group_options(key.split("@")[0]) or override.is_add() or override.is_force_add():
                continue
            problems += _unknown_key(config, key)
        return problems


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
        if not OmegaConf.is_dict(node) or part not in node:
            parent = ".".join(parts[:depth])
            names = [str(name) for name in node if str(name) not in ("hydra", "_target_", "_partial_")] if OmegaConf.is_dict(node) else []
            return [f"{key}: there is no {part!r}{' in ' + parent if parent else ''}{suggest(part, names)}"]
        node = node._get_node(part)
        if OmegaConf.is_missing(config, ".".join(parts[: depth + 1])):
            return []
        node = node if OmegaConf.is_config(node) else node
    return []


def _need_folder(folder: str) -> None:
    if not Path(folder).is_dir():
        fail(f"--config-dir {folder}: no such folder; give the folder that holds your configuration groups")
