"""The names that are allowed at the top level of each primary configuration: its own, and those of the groups that it takes."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from arc_encoder.config.paths import configs_folder

PACKAGE = re.compile(r"^# @package ([^.\s]+)", re.MULTILINE)
NO_KEYS = {"defaults", "hydra", "_global_"}


@cache
def keys_of(config_name: str) -> set[str]:
    """Every name that `config_name` may have, read off its file and the heads of its groups' files; nothing is composed."""
    folder = configs_folder()
    content: Any = OmegaConf.to_container(OmegaConf.load(folder / f"{config_name}.yaml"))
    keys = {str(key) for key in content}
    for each in content["defaults"]:
        if isinstance(each, dict):
            keys |= {key for group in each for key in _packages(folder, str(group))}
        elif each != "_self_":
            keys |= keys_of(each)
    return keys - NO_KEYS


def _packages(folder: Path, group: str) -> set[str]:
    """Where the choices of a group put their keys: in its own name, unless their first lines say otherwise."""
    found = {file: PACKAGE.search(file.read_text(encoding="utf-8")) for file in (folder / group).rglob("*.yaml")}
    return {place[1] if place else file.relative_to(folder).parts[0] for file, place in found.items()}
