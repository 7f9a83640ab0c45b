"""The backbone that an ARC-Encoder was made from: a name that means the same on every machine, and its digests.

A name is ``model:<name>`` for a model of `arc-models`, ``bundled:<name>`` for one that comes with the project, or a
name of the hub. A folder of your own has none, and what was made from it is stored whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.utils import logging

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.checkpoint.config import ArcEncoderConfig
from arc_encoder.model.checkpoint.published.blocks import BACKBONE, block_digests, block_of
from arc_encoder.model.checkpoint.published.folder import read_weights
from arc_encoder.model.checkpoint.released.source import is_hub_name
from arc_encoder.model.language_models.downloads.places import bundled_folder, catalogue_name, model_folder

MODEL, BUNDLED = "model:", "bundled:"


def name_of(path: str | Path) -> str | None:
    """The name of the model at `path`; None for a folder or file of your own."""
    known = catalogue_name(path)
    if known is not None:
        return MODEL + known
    place = Path(path).expanduser().absolute()
    if place.parent == bundled_folder().absolute():
        return BUNDLED + place.name
    return str(path) if is_hub_name(str(path)) and not place.exists() else None


def path_of(name: str) -> str:
    """Where the model called `name` is, or belongs; a hub's name as it is."""
    if name.startswith(MODEL):
        return str(model_folder(name.removeprefix(MODEL)))
    if name.startswith(BUNDLED):
        return str(bundled_folder() / name.removeprefix(BUNDLED))
    return name


def origin_of(path: str | Path, state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """What `config.json` says of a fresh ARC-Encoder's backbone; None if it has no name."""
    name = name_of(path)
    return None if name is None else {"name": name, "blocks": block_digests(state)}


def weights_left_out(
    origin: Mapping[str, Any],
    blocks: Sequence[str],
    layers: int,
    backbone: str | Path | None = None,
) -> dict[str, Tensor]:
    """The weights of `blocks` in float32, out of the backbone that they were never changed in.

    Args:
        backbone: folder, GGUF file or hub name to take them from; None is where the name leads.

    Raises:
        CheckpointError: no such backbone here, or another one.
    """
    from arc_encoder.model.encoder.backbone import Backbone  # it loads a model: not needed to know a name

    path = str(backbone or path_of(origin["name"]))
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # layers that are not used are no news
    message = f"this ARC-Encoder's {', '.join(blocks[:4])} were not trained and are taken from {origin['name']}"
    try:
        whole = int(Backbone(path).config().num_hidden_layers)
        model, _ = Backbone(path, truncate_layers=max(0, whole - layers)).load()
    except CheckpointError as error:
        message = f"{message}, but {error}. Or give its folder as `backbone`"
        raise CheckpointError(message, advice=error.advice, **error.facts) from error
    finally:
        logging.set_verbosity(level)
    found = {BACKBONE + name: tensor for name, tensor in model.state_dict().items()}
    wanted = {name: tensor for name, tensor in found.items() if block_of(name) in set(blocks)}
    check_backbone(block_digests(wanted), origin, blocks, path)
    return wanted


def check_backbone(found: Mapping[str, str], origin: Mapping[str, Any], blocks: Sequence[str], path: str) -> None:
    """Refuse a backbone whose `blocks` are not the ones that were trained with.

    Raises:
        CheckpointError: names the first of them.
    """
    other = [block for block in blocks if found.get(block) != origin["blocks"][block]]
    if other:
        raise CheckpointError(
            f"the backbone at {path} is another one than this ARC-Encoder was trained from ({origin['name']}): "
            f"{other[0]} differs (SHA-256 {str(found.get(other[0]))[:12]}, expected {origin['blocks'][other[0]][:12]}). "
            "Give folder or hub name of the one that it was trained from as `backbone`"
        )


def load_all_weights(
    folder: str | Path, config: ArcEncoderConfig, *, backbone: str | Path | None, revision: str | None
) -> tuple[dict[str, Tensor], torch.dtype]:
    """Weights by name, and the dtype of those that are stored (float32 for int8).

    Raises:
        CheckpointError: a file that is missing or damaged, or another backbone.
    """
    state = read_weights(folder, revision=revision)
    dtype = next(iter(state.values())).dtype
    if config.left_out and config.origin:
        layers = int(config.backbone["num_hidden_layers"])
        state |= weights_left_out(config.origin, config.left_out, layers, backbone)
    return state, dtype
