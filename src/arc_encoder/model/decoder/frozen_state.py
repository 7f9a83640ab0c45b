"""Weights that belong to no state dict: they are neither saved, nor missed when others are loaded."""

from __future__ import annotations

from typing import Any

from torch import nn


def exclude_from_state_dict(module: nn.Module) -> None:
    """Keep the weights of `module` out of every state dict that it is a part of."""
    module.register_state_dict_post_hook(_drop_weights)
    module._load_prefix = ""  # type: ignore[assignment]
    module.register_load_state_dict_pre_hook(_store_prefix)
    module.register_load_state_dict_post_hook(_ignore_missing)


def _drop_weights(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        del state[key]


def _store_prefix(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    module._load_prefix = prefix  # type: ignore[assignment]


def _ignore_missing(module: nn.Module, incompatible: Any) -> None:
    incompatible.missing_keys[:] = [
        key for key in incompatible.missing_keys if not key.startswith(str(module._load_prefix))
    ]
