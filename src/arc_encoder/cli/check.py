"""Checking a composed configuration before anything is loaded, and naming all errors at once.

Every node with a `_target_` is bound to the signature of what it names: unknown keys,
missing keys and wrong types are collected. Cheap parts (poolings, schedules, tasks) are
built, and layers and factors are held against the models' config.json.
"""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pydantic
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from arc_encoder.errors import ArcError, ConfigError

SPECIAL = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}


def check_config(config: DictConfig, *, keys: set[str]) -> None:
    """Raise one error that lists every mistake of `config`.

    Args:
        config: the composed configuration.
        keys: names allowed at its top level.

    Raises:
        ConfigError: with one line a mistake.
    """
    problems = [
        f"{key}: unknown key{_did_you_mean(str(key), keys)}; valid keys: {', '.join(sorted(keys))}"
        for key in config
        if str(key) not in keys
    ]
    for path, node in _targets(config, ""):
        problems += _bind(path, node)
    if not problems:
        problems += _build_cheap(config)
    if not problems:
        problems += _combinations(config)
    if problems:
        count = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''} in the configuration"
        raise ConfigError("\n  - ".join([f"{count}:", *problems]))


def suggest(name: str, valid: typing.Iterable[str]) -> str:
    """The valid names as a phrase, the closest one first."""
    names = sorted(valid)
    return f"{_did_you_mean(name, names)}; valid choices: {', '.join(names) or 'none'}"


def _did_you_mean(name: str, valid: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(valid), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _targets(node: Any, path: str) -> Iterator[tuple[str, DictConfig]]:
    if isinstance(node, DictConfig):
        if "_target_" in node:
            yield path, node
        for key in node:
            if not OmegaConf.is_missing(node, key):
                yield from _targets(node[key], f"{path}.{key}" if path else str(key))


def _bind(path: str, node: DictConfig) -> list[str]:
    try:
        target = get_object(node["_target_"])
    except Exception as error:  # whatever importing a user's module raises is theirs to see
        return [f"{path}._target_: cannot import {node['_target_']!r} ({error})"]
    signature = inspect.signature(target)
    parameters = {name: p for name, p in signature.parameters.items() if name not in ("self", "cls")}
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return []
    problems = []
    given = [str(key) for key in node if str(key) not in SPECIAL]
    for key in given:
        if key not in parameters:
            problems.append(f"{path}.{key}: unknown key{suggest(key, parameters)}")
        elif OmegaConf.is_missing(node, key):
            problems.append(f"{path}.{key}: no value given; set it with {path}.{key}=…")
    if not node.get("_partial_", False):
        for name, parameter in parameters.items():
            if parameter.default is parameter.empty and name not in given:
                problems.append(f"{path}.{name}: missing; {node['_target_']} needs it")
    return problems + _check_types(path, node, target, [key for key in given if key in parameters])


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
            problems.append(f"{path}.{key}={value!r}: {'; '.join(reasons[:3])}")
    return problems


def _build_cheap(config: DictConfig) -> list[str]:
    """Build what needs no weights; its own checks speak."""
    problems = []
    model = config.get("model") or {}
    cheap = {"model.pooling": model.get("pooling"), "model.chunking": model.get("chunking"), "optim": config.get("optim")}
    cheap |= {f"callbacks.{name}": node for name, node in (config.get("callbacks") or {}).items()}
    cheap |= {f"data.tasks.{name}": node for name, node in ((config.get("data") or {}).get("tasks") or {}).items()}
    cheap |= {"benchmark": config.get("benchmark")}
    for path, node in cheap.items():
        if node is None or "_target_" not in node:
            continue
        try:
            instantiate(node)
        except Exception as error:
            cause = error.__cause__ if isinstance(error.__cause__, ArcError) else error
            problems.append(f"{path}: {cause}")
    return problems


def _combinations(config: DictConfig) -> list[str]:
    """What only shows when parts are seen together."""
    problems = []
    model: Mapping[str, Any] = config.get("model") or {}
    if model.get("encoder") is not None and model.get("pooling") is not None:
        try:
            layers = instantiate(model["encoder"]).config().num_hidden_layers
            steps = len(instantiate(model["pooling"]).factors())
            if steps > layers:
                problems.append(f"model.pooling.schedule has {steps} steps, but the truncated encoder has only {layers} layers")
        except ArcError as error:
            problems.append(f"model.encoder: {error}")
    trainer = config.get("trainer") or {}
    warmup, steps = (config.get("optim") or {}).get("warmup_steps"), trainer.get("max_steps")
    if warmup is not None and steps is not None and 0 < steps <= warmup:
        problems.append(f"optim.warmup_steps={warmup} must be smaller than trainer.max_steps={steps}")
    for name in config.get("decoders") or {}:
        weights = (config.get("data") or {}).get("decoder_weights")
        if weights and name not in weights:
            problems.append(f"data.decoder_weights lacks decoder {name!r}")
    return problems
