"""Help of the commands that are configured by Hydra; nothing is imported that a configuration names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from arc_encoder.config.app.failing import fail, listed, user_errors
from arc_encoder.config.overrides import check_names
from arc_encoder.config.paths import configs_folder, register_resolvers


def answered(config: str) -> bool:
    """Show the help that was asked for, or refuse names that do not exist; whether nothing is left to do."""
    if any(word.split("=")[0] in ("--resume", "resume") for word in sys.argv[1:]):
        return False  # the run's own words come in front of these
    register_resolvers()
    arguments = get_args_parser().parse_args()
    if arguments.help or arguments.hydra_help:
        show_help(config)
        return True
    with user_errors(HydraException, OmegaConfBaseException):
        problems = check_names(arguments, config)
    if problems:
        fail(listed(problems))
    return False


def show_help(config: str) -> None:
    """Print what Hydra says for `--help` or `--hydra-help` on the command line."""
    register_resolvers()
    arguments = get_args_parser().parse_args()
    sys.argv += _choices(arguments.config_name or config, arguments.overrides)
    hydra.main(version_base="1.3", config_path=str(configs_folder()), config_name=config)(lambda _: None)()


def _choices(config: str, overrides: Sequence[str]) -> list[str]:
    """An override for each group without a default that was not chosen, so that the configuration can be composed."""
    folder = configs_folder()
    content: Any = OmegaConf.to_container(OmegaConf.load(folder / f"{config}.yaml"))
    open_groups = [
        name
        for each in content.get("defaults", [])
        if isinstance(each, dict)
        for name, choice in each.items()
        if choice == "???"
    ]
    given = {word.split("=")[0] for word in overrides}
    first = {group: min(file.stem for file in (folder / group).glob("*.yaml")) for group in open_groups}
    return [f"{group}={choice}" for group, choice in first.items() if group not in given]
