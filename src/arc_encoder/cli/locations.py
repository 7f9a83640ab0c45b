"""Where configurations and models lie: inside the installed package or the checkout, or fetched by `arc-models`."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

from arc_encoder.models.places import PACKAGE, bundled_folder, first_folder, model_folder

__all__ = ["bundled_folder", "configs_folder", "register_resolvers"]


def configs_folder() -> Path:
    """The folder of the configuration groups."""
    return first_folder(PACKAGE / "configs", PACKAGE.parents[1] / "configs")


def register_resolvers() -> None:
    """Make ``${bundled:toy_a}`` in a configuration the path of that bundled model, ``${model:…}`` of a fetched one.

    A model that was not fetched yet has a path too, and whatever loads it says how to get it.
    """
    OmegaConf.register_new_resolver("bundled", lambda name: str(bundled_folder() / name), replace=True)
    OmegaConf.register_new_resolver("model", lambda name: str(model_folder(name)), replace=True)
