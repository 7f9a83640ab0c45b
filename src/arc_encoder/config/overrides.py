"""What a command line says, held against the configurations that there are."""

from __future__ import annotations

import inspect
from argparse import Namespace
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Sweep
from hydra.errors import HydraException
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from arc_encoder.config.compose import composing, import_modules
from arc_encoder.config.validation.signatures import parameters_of
from arc_encoder.config.validation.suggestions import suggest
from arc_encoder.core.atomic import check_writable
from arc_encoder.core.errors import ConfigError, writing
from arc_encoder.core.run_folder.lock import check_unlocked
from arc_encoder.core.run_folder.renamed import current_key


def check_command_line(
    arguments: Namespace,
    config_name: str,
    *,
    keys: set[str],
    ignored: tuple[str, ...] = (),
    unbuilt: tuple[str, ...] = (),
) -> tuple[list[str], dict[str, str]]:
    """Every mistake of the command line and of the configuration that it composes.

    A setting that a class knows, but that its YAML does not show, may be given like any other. Hydra asks for two
    plus signs in front of it; they are added here.

    Returns:
        the mistakes, and the overrides that Hydra needs in another form.

    Raises:
        ConfigError: the output folder cannot be written.
        HydraException: the configuration cannot be composed at all.
    """
    with _composing(arguments) as loader:
        found = _read(loader, arguments, config_name)
        if found.config is None:
            return found.problems, {}
        config, problems = found.config, found.problems
        folder = str(config.hydra.sweep.dir if arguments.multirun else config.hydra.run.dir)
        with writing(f"the output folder {folder}", "choose another with paths.logs=<folder>"):
            check_writable(Path(folder))  # Hydra makes it before anything else, and would not say it in plain words
        check_unlocked(Path(config.hydra.run.dir))  # before Hydra writes there
        import_modules(config.get("imports") or [])
        problems += _sweep_problems(config, bool(arguments.multirun))
        if not arguments.multirun:
            problems += _composed_problems(config, keys, ignored, unbuilt)
        return problems, found.added


def check_names(arguments: Namespace, config_name: str) -> list[str]:
    """Choices and keys of the command line that do not exist; no module of a configuration is imported for it.

    Raises:
        ConfigError: an override that cannot be read.
        HydraException: the configuration cannot be composed at all.
    """
    with _composing(arguments) as loader:
        return _read(loader, arguments, config_name).problems


@dataclass
class _Words:
    """What the words of a command line say: mistakes, overrides in another form, and what they compose, if anything."""

    problems: list[str]
    added: dict[str, str]
    config: DictConfig | None


def _composing(arguments: Namespace) -> AbstractContextManager[Any]:
    return composing(arguments.config_dir, root=arguments.config_path)


def _read(loader: Any, arguments: Namespace, config_name: str) -> _Words:
    overrides = [override for text in arguments.overrides for override in _parsed(text)]
    name = arguments.config_name or config_name
    problems = (
        []
        if getattr(arguments, "multirun", False)
        else [_one_value(each) for each in overrides if each.is_sweep_override()]
    )
    right: list[str] = []
    keyed = []
    for override in overrides:
        group = override.key_or_group.split("@")[0]
        choices = _options(loader, group)
        if not choices:
            keyed.append(override)
            continue
        if override.value() is None and not override.is_delete():  # Hydra answers with a traceback
            problems.append(
                f"{group}=null: a group takes one of its choices ({', '.join(sorted(choices))}), or leave it out"
            )
            continue
        unknown = [choice for choice in _choices(override.value()) if choice not in choices]
        problems += [f"{group}={choice}: no such choice{suggest(choice, choices)}" for choice in unknown]
        if not unknown and not override.is_sweep_override():
            right.append(str(override.input_line))
    try:
        config = compose(name, overrides=right, return_hydra_config=True)
    except HydraException:
        if problems:  # such as a choice that must be made, and was misspelt
            return _Words(problems, {}, None)
        raise
    added: dict[str, str] = {}
    for override in keyed:
        line = str(override.input_line)
        adds = override.is_add() or override.is_force_add()
        if not adds and not override.is_delete() and _takes(config, override.key_or_group):
            added[line] = f"++{line}"
        unknown = [] if adds or line in added else _unknown_key(config, override.key_or_group)
        problems += unknown
        if not unknown and not override.is_sweep_override():
            right.append(added.get(line, line))
    return _Words(problems, added, compose(name, overrides=right, return_hydra_config=True))


def _parsed(text: str) -> list[Any]:
    """One override of the command line.

    Raises:
        ConfigError: it is not of the form that Hydra reads.
    """
    try:
        return list(OverridesParser.create().parse_overrides([text]))
    except HydraException as error:
        key, _, value = text.partition("=")
        special = [mark for mark in "=,:{}[]() " if mark in value]
        hint = (
            f"; put a value with {' or '.join(map(repr, special[:3]))} in quotes: '{key}=\"{value}\"'"
            if special
            else ""
        )
        raise ConfigError(
            f"{text}: not an override of the form key=value ({str(error).splitlines()[0]}){hint}"
        ) from error


def _one_value(override: Any) -> str:
    """What to write instead of several values, where a single run was asked for."""
    key, _, value = str(override.input_line).partition("=")
    return (
        f"{key}={value}: several values are a sweep, which needs --multirun; for one value put it in quotes: "
        f"'{key}=\"{value}\"', for a list in brackets: {key}=[{value}]"
    )


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
    from arc_encoder.config.validation.check import find_problems  # with all that configurations name

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
            if (current := current_key(key)) != key:
                return [f"{key} is now called {current}"]
            parent = ".".join(parts[:depth])
            shown = {name for name in [*names, *_parameters(node)] if name not in ("hydra", "_target_", "_partial_")}
            return [f"{key}: there is no {part!r}{' in ' + parent if parent else ''}{suggest(part, shown)}"]
        if OmegaConf.is_missing(node, part):
            return []
        node = node._get_node(part)
    return []


def _takes(config: DictConfig, key: str) -> bool:
    """Whether `key` names a setting that its class knows and that the configuration does not show yet."""
    parent, _, name = key.rpartition(".")
    node: Any = OmegaConf.select(config, parent) if parent else None
    return OmegaConf.is_dict(node) and name not in node and name in _parameters(node)


def _parameters(node: Any) -> list[str]:
    """Settings that the class or function of a node takes, as far as it can be imported."""
    if not OmegaConf.is_dict(node) or "_target_" not in node:
        return []
    read = parameters_of(str(node["_target_"]))
    if read is not None:
        return read
    try:
        parameters = inspect.signature(get_object(node["_target_"])).parameters
    except Exception:  # an import that fails is user_errors when the configuration is checked
        return []
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, parameter in parameters.items() if parameter.kind in named]
