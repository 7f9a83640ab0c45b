"""Where fetched and converted models are.

Bundled ones are in the installed package or the checkout. The folder of the others is `ARC_MODELS`; else `models` in `ARC_CACHE`, the cache of large data files; else ~/.cache/arc_encoder/models.
"""

from __future__ import annotations

import os
from pathlib import Path

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.language_models.downloads.catalogue import CATALOGUE

PACKAGE = Path(__file__).parents[3]  # src/arc_encoder, or where it is installed
CONVERTED = "gguf"  # folder of the GGUF files that were converted on the way


def bundled_folder() -> Path:
    """The folder of the bundled toy models.

    Raises:
        ConfigError: the installation lacks it.
    """
    return shipped_folder() / "toy_world"


def shipped_folder() -> Path:
    """The folder of all data that comes with the project.

    Raises:
        ConfigError: the installation lacks it.
    """
    return first_folder(PACKAGE / "bundled", PACKAGE.parents[1] / "data")


def first_folder(*folders: Path) -> Path:
    """The first of `folders` that is there.

    Raises:
        ConfigError: none is.
    """
    for folder in folders:
        if folder.is_dir():
            return folder
    raise ConfigError(
        f"none of {', '.join(map(str, folders))} exists: the installation is incomplete, install the package again"
    )


def models_folder() -> Path:
    """The folder of all models; it may not be there yet."""
    chosen = os.environ.get("ARC_MODELS")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("ARC_CACHE") or "~/.cache/arc_encoder").expanduser().absolute() / "models"


def model_folder(name: str) -> Path:
    """The folder of the model called `name`, whether it is there or not."""
    return models_folder() / name


def is_complete(folder: Path) -> bool:
    """Whether a model is in `folder`; folders of models are only ever put in place finished."""
    return (folder / "config.json").is_file()


def catalogue_name(path: str | Path) -> str | None:
    """The name in the catalogue of the model that belongs at `path`; None if none does."""
    place = Path(path).expanduser().absolute()
    return place.name if place.parent == models_folder() and place.name in CATALOGUE else None


def missing_model(path: str | Path) -> str | None:
    """What to do about a model that is missing at `path`; None if it belongs to no name of the catalogue."""
    name = catalogue_name(path)
    if name is None or is_complete(Path(path)):
        return None
    return f"the model {name} is not in {models_folder()} yet; fetch it once"


def require_model(name: str) -> Path:
    """The folder of the model called `name`.

    Raises:
        CheckpointError: it is not here yet.
    """
    missing = missing_model(model_folder(name))
    if missing is not None:
        raise CheckpointError(missing, advice="fetch-model", model=name)
    return model_folder(name)


def listing() -> str:
    """What there is to fetch, and what is here, in words."""
    lines = []
    for model in CATALOGUE.values():
        folder = model_folder(model.name)
        here = f"in {folder}" if is_complete(folder) else f"not here; {model.fetched_bytes / 2e6:,.0f} MB to download"
        lines.append(f"{model.name}  {model.about}. Licence {model.licence}; {here}")
    return "\n".join([*lines, f"models are in {models_folder()} (environment variable ARC_MODELS)"])
