"""Where configurations and models are found: inside the installed package or the checkout, or fetched by `arc-models`."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

from arc_encoder.model.language_models.downloads.places import (
    PACKAGE,
    bundled_folder,
    first_folder,
    model_folder,
    shipped_folder,
)


def configs_folder() -> Path:
    """The folder of the configuration groups."""
    return first_folder(PACKAGE / "configs", PACKAGE.parents[1] / "configs")


def register_resolvers() -> None:
    """Make paths of names in a configuration: ``${bundled:toy_a}`` of a bundled model, ``${model:…}`` of a fetched one,
    ``${shipped:…}`` of a file that comes with the project.

    A model that was not fetched yet has a path too, and whatever loads it says how to get it.
    """
    OmegaConf.register_new_resolver("bundled", lambda name: str(bundled_folder() / name), replace=True)
    OmegaConf.register_new_resolver("model", lambda name: str(model_folder(name)), replace=True)
    OmegaConf.register_new_resolver("shipped", lambda name: str(shipped_folder() / name), replace=True)
