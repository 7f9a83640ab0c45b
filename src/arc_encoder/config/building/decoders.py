"""Decoders of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.utils import instantiate

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.decoder.load import FrozenDecoder


def build_decoders(nodes: Mapping[str, Any]) -> dict[str, FrozenDecoder]:
    """Load every decoder of a configuration.

    Raises:
        ConfigError: there is none.
    """
    if not nodes:
        raise ConfigError("no decoder was given; choose at least one", advice="decoder")
    return {str(name): instantiate(node) for name, node in nodes.items()}
