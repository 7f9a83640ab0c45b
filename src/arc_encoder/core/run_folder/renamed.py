"""Names of earlier versions: configurations of saved runs still load, and a user's own are told the new name.

A run keeps the configuration that it began with (`config.yaml`), and that names classes by where they were defined.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

PACKAGE = "arc_encoder."
_NAMES: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
MODULES, CLASSES, KEYS = _NAMES["modules"], _NAMES["classes"], _NAMES["keys"]
# Settings of a benchmark's file of questions, which was no part of its own.
FILE_OF_QUESTIONS = re.compile(r"^(benchmarks?(?:\.[^.]+)?)\.(path|examples_path|prepare|only|on_error)$")


def current_target(target: str) -> str:
    """What a `_target_` is called now: another name if it is one of an earlier version's, or else the same."""
    own = target.removeprefix(PACKAGE)
    if own == target:
        return target
    module, _, name = own.rpartition(".")
    moved = f"{MODULES.get(module, module)}.{name}"
    return PACKAGE + CLASSES.get(moved, moved)


def current_module(module: str) -> str | None:
    """Where a module of an earlier version is now; None if it was not moved."""
    own = module.removeprefix(PACKAGE)
    if own == module:
        return None
    moved = MODULES.get(own) or next((new for old, new in MODULES.items() if old.startswith(f"{own}.")), None)
    return None if moved is None else PACKAGE + moved


def current_key(key: str) -> str:
    """The whole path of a setting as it is called now."""
    key = FILE_OF_QUESTIONS.sub(r"\1.source.\2", key)
    return next(
        (new + key.removeprefix(old) for old, new in KEYS.items() if key == old or key.startswith(f"{old}.")), key
    )


def with_current_names(value: Any, path: str = "") -> Any:
    """A plain configuration with the current name of every setting and of every `_target_`."""
    if isinstance(value, list):
        return [with_current_names(inner, path) for inner in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, inner in value.items():
        whole = current_key(f"{path}.{key}" if path else str(key))
        name = whole.rpartition(".")[2] if isinstance(key, str) else key
        is_target = key == "_target_" and isinstance(inner, str)
        found[name] = current_target(inner) if is_target else with_current_names(inner, whole)
    return found
