"""Checking a composed configuration before anything is loaded, and naming all errors at once.

Every node with a `_target_` is bound to the signature of what it names: unknown keys,
missing keys and wrong types are collected. Cheap parts (poolings, schedules, tasks) are
built, and layers and factors are held against the models' config.json.
"""

from __future__ import annotations

import inspect
import logging
import typing
from collections.abc import Iterator
from typing import Any

import pydantic
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, Node, OmegaConf

from arc_encoder.config.app.advice import with_advice
from arc_encoder.config.app.failing import listed
from arc_encoder.config.building.benchmarks import benchmark_nodes
from arc_encoder.config.validation.combinations import combinations, concerned
from arc_encoder.config.validation.suggestions import did_you_mean, suggest
from arc_encoder.core.errors import ArcError, ConfigError
from arc_encoder.core.run_folder.renamed import current_key, current_target

# Whole numbers at the top level of the commands' configurations, with the lowest that can work.
LOWEST = {
    "seed": 0, "threads": 1, "batch_size": 1, "batch_positions": 1, "factor": 1, "limit": 1, "pretrain_steps": 1, "finetune_steps": 1,
    "world_seed": 0, "window": 2, "steps": 1, "validate_every": 1,
}  # fmt: skip
LISTED = {"factors": 1, "shots": 0, "seeds": 0}  # lists of them
SPECIAL = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}


def check_config(
    config: DictConfig, *, keys: set[str], ignored: tuple[str, ...] = (), unbuilt: tuple[str, ...] = ()
) -> None:
    """Raise one error that lists every mistake of `config`.

    Raises:
        ConfigError: with one line a mistake.
    """
    problems = find_problems(config, keys=keys, ignored=ignored, unbuilt=unbuilt)
    if problems:
        raise ConfigError(listed(problems))


def find_problems(
    config: DictConfig, *, keys: set[str], ignored: tuple[str, ...] = (), unbuilt: tuple[str, ...] = ()
) -> list[str]:
    """Every mistake of `config`, one line each; what follows from another mistake is left out."""
    problems = [
        f"{key!s}: unknown key{did_you_mean(str(key), keys)}; valid keys: {', '.join(sorted(keys))}"
        for key in config
        if str(key) not in keys
    ]
    problems += _numbers(config)
    conditions = config.get("conditions")
    if conditions is not None and not OmegaConf.is_dict(conditions):
        problems.append(f"conditions={conditions!r}: expected names and values, such as conditions={{variant: mine}}")
    for path, node in _targets(config, ""):
        problems += _bind(path, node)
    problems += _build_cheap(config, problems, unbuilt)
    problems += combinations(config, problems)
    lines = [" ".join(problem.split()) for problem in problems]  # libraries write whole paragraphs
    return [problem for problem in lines if not problem.startswith(ignored)]


def _targets(node: Any, path: str) -> Iterator[tuple[str, DictConfig]]:
    if isinstance(node, DictConfig):
        if "_target_" in node:
            yield path, node
        for key in node:
            if not OmegaConf.is_missing(node, key):
                yield from _targets(node[key], f"{path}.{key!s}" if path else str(key))


def _bind(path: str, node: DictConfig) -> list[str]:
    try:
        target = _object(str(node["_target_"]))
    except Exception as error:  # whatever importing a user's module raises is theirs to see
        written = str(node["_target_"])
        current = current_target(written)
        if current != written:
            return [f"{path}._target_: {written} is now called {current}"]
        return [f"{path}._target_: cannot import {written!r} ({error})"]
    signature = inspect.signature(target)
    parameters = {name: p for name, p in signature.parameters.items() if name not in ("self", "cls")}
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return []
    problems = []
    given = [str(key) for key in node if str(key) not in SPECIAL]
    if path == "benchmark":  # settings of all chosen benchmarks; null leaves each its own
        given = [key for key in given if OmegaConf.is_missing(node, key) or node[key] is not None]
    for key in given:
        if key not in parameters and current_key(f"{path}.{key}") != f"{path}.{key}":
            problems.append(f"{path}.{key} is now called {current_key(f'{path}.{key}')}")
        elif key not in parameters:
            problems.append(f"{path}.{key!s}: unknown key{suggest(key, parameters)}")
        elif OmegaConf.is_missing(node, key):
            problems.append(f"{path}.{key}: no value given; set it with {path}.{key}=…")
    if not node.get("_partial_", False):
        for name, parameter in parameters.items():
            if parameter.default is parameter.empty and name not in given:
                problems.append(f"{path}.{name}: missing; {node['_target_']} needs it")
    return problems + _check_types(path, node, target, [key for key in given if key in parameters])


def _object(target: str) -> Any:
    """What a `_target_` names; Hydra's log of a failure is left out, as the mistake is told with all others."""
    log = logging.getLogger("hydra.utils")
    before, log.disabled = log.disabled, True
    try:
        return get_object(target)
    finally:
        log.disabled = before


def _check_types(path: str, node: DictConfig, target: Any, keys: list[str]) -> list[str]:
    try:
        hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (NameError, TypeError):
        return []
    problems = []
    for key in keys:
        if key not in hints or OmegaConf.is_missing(node, key):
            continue
        value = node[key]
        if OmegaConf.is_config(value):
            if any(True for _ in _targets(value, "")):
                continue
            value = OmegaConf.to_container(value, resolve=True)
        try:
            adapter: Any = pydantic.TypeAdapter(hints[key], config=pydantic.ConfigDict(arbitrary_types_allowed=True))
        except pydantic.PydanticUserError:
            adapter = pydantic.TypeAdapter(hints[key])
        except Exception:  # an annotation that pydantic does not understand is not checked
            continue
        try:
            adapter.validate_python(value)
        except pydantic.ValidationError as error:
            reasons = sorted({detail["msg"] for detail in error.errors()})
            problems.append(f"{path}.{key}={value!r}{_origin(node, key)}: {'; '.join(reasons[:3])}")
    return problems


def _origin(node: DictConfig, key: str) -> str:
    """Where a value was taken from, if it was not written there: " (from ${ckpt})"."""
    written = node._get_node(key)
    return f" (from {written._value()})" if isinstance(written, Node) and written._is_interpolation() else ""


def _numbers(config: DictConfig) -> list[str]:
    """Numbers that no signature checks."""
    problems = []
    given: list[tuple[str, Any, int]] = [(key, config.get(key), lowest) for key, lowest in LOWEST.items()]
    for key, lowest in LISTED.items():
        values = config.get(key) if key == "factors" or "systems" in config else None  # else a single number
        if values is not None:
            given += [
                (key, value, lowest) for value in (values if OmegaConf.is_list(values) else [f"{values} (no list)"])
            ]
    for key, value, lowest in given:
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < lowest):
            problems.append(
                f"{key}={value!r}: expected {'a list of whole numbers' if key in LISTED else 'a whole number'} from {lowest} on"
            )
    return problems


def _build_cheap(config: DictConfig, problems: list[str], unbuilt: tuple[str, ...] = ()) -> list[str]:
    """Build what needs no weights; its own checks speak."""
    found = []
    model = config.get("model") or {}
    cheap = {
        "model.pooling": model.get("pooling"),
        "model.encoder.adapter": (model.get("encoder") or {}).get("adapter"),
        "model.chunking": model.get("chunking"),
        "optim": config.get("optim"),
        "objective": config.get("objective"),
        "data.growth": (config.get("data") or {}).get("growth"),
    }
    cheap |= {f"callbacks.{name}": node for name, node in (config.get("callbacks") or {}).items()}
    cheap |= {f"data.tasks.{name}": node for name, node in ((config.get("data") or {}).get("tasks") or {}).items()}
    if (
        "benchmark" in config
        and not concerned("benchmark", problems)
        and not any(p.startswith("benchmarks.") for p in problems)
    ):
        cheap |= {f"benchmarks.{name}": node for name, node in benchmark_nodes(config).items()}
    cheap |= {f"systems.{name}": node for name, node in (config.get("systems") or {}).items()}
    for path, node in cheap.items():
        if node is None or "_target_" not in node or path.startswith(unbuilt) or concerned(path, problems):
            continue
        try:
            instantiate(node)
        except Exception as error:
            cause = error.__cause__ if isinstance(error.__cause__, ArcError) else error
            found.append(f"{path}: {with_advice(cause)}")
    return found
