"""From a hub name or a folder to an architecture, without a network.

`architectures/` holds the sizes of the usual models, one JSON file each; the table of
sources is in its README.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

from transformers import PretrainedConfig

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.language_models.downloads.catalogue import CATALOGUE
from arc_encoder.model.language_models.downloads.library import config_at
from arc_encoder.model.language_models.downloads.places import catalogue_name
from arc_encoder.model.language_models.gguf.reader import is_gguf

ARCHITECTURES = Path(__file__).parent / "architectures"


@functools.cache
def known_models() -> dict[str, Path]:
    """Hub name → file of its architecture."""
    files = sorted(ARCHITECTURES.glob("*.json"))
    return {hub: file for file in files for hub in json.loads(file.read_text(encoding="utf-8"))["hub_names"]}


def locate(path: str) -> str:
    """Where the architecture of a model is: its folder or GGUF file, or the bundled file of its hub name.

    A model that `arc-models get` would fetch needs not be here.

    Raises:
        CheckpointError: neither a folder nor a model whose architecture is bundled.
    """
    if Path(path).is_dir() or is_gguf(path):
        return path
    name = catalogue_name(path)
    path = path if name is None else CATALOGUE[name].hub
    if path not in known_models():
        raise CheckpointError(
            f"the architecture of {path!r} is not known here: it is no folder with a config.json, and no bundled model. "
            f"Download its config.json into a folder and give that, or choose one of {', '.join(sorted(known_models()))}"
        )
    return str(known_models()[path])


def language_model_config(path: str) -> PretrainedConfig:
    """Configuration of a language model, from a folder, a GGUF file or a bundled architecture.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """
    place = locate(path)
    try:
        return config_at(place)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"no architecture can be read at {place!r}: {error}; expected a config.json") from error
