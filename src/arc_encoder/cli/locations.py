"""Where configurations and bundled models lie: inside the installed package, or in the checkout."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

import arc_encoder
from arc_encoder.errors import ConfigError

PACKAGE = Path(arc_encoder.__file__).parent


def configs_folder() -> Path:
    """The folder of the configuration groups."""
    return _first(PACKAGE / "configs", PACKAGE.parents[1] / "configs")


def bundled_folder() -> Path:
    """The folder of the bundled toy models."""
    return _first(PACKAGE / "bundled" / "toy_world", PACKAGE.parents[1] / "data" / "toy_world")


def register_resolvers() -> None:
    """Make ``${bundled:toy_a}`` in a configuration the path of that bundled model."""
    OmegaConf.register_new_resolver("bundled", lambda name: str(bundled_folder() / name), replace=True)


def _first(*folders: Path) -> Path:
    for folder in folders:
        if folder.is_dir():
            return folder
    raise ConfigError(
        f"none of {', '.join(map(str, folders))} exists: the installation is incomplete, install the package again"
    )
