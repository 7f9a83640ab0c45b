"""The compressor that a command's configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from arc_encoder.config.compose import import_modules
from arc_encoder.config.paths import register_resolvers
from arc_encoder.core.compute import own_device
from arc_encoder.core.errors import ConfigError
from arc_encoder.inference import Compressor
from arc_encoder.model.decoder.load import FrozenDecoder


def load_compressor(config: DictConfig) -> Compressor:
    """The compressor that `config` names, with its decoder where one is given; in another process too."""
    register_resolvers()
    import_modules(config.get("imports") or [])
    if len(config.get("decoders") or {}) > 1:
        raise ConfigError(f"one decoder at a time; {', '.join(map(str, config.decoders))} were given")
    decoders = build_decoders(config.decoders) if config.get("decoders") else {}
    (name, decoder), *_ = [*decoders.items(), (config.get("decoder_name"), None)]
    return Compressor.from_pretrained(
        config.checkpoint,
        decoder=decoder,
        decoder_name=name,
        device=own_device(config.device),
        dtype=config.get("dtype") or "float32",
        tokenizer=config.encoder_tokenizer,
        backbone=config.backbone,
    )


def build_decoders(nodes: Mapping[str, Any]) -> dict[str, FrozenDecoder]:
    """Load every decoder of a configuration.

    Raises:
        ConfigError: there is none.
    """
    if not nodes:
        raise ConfigError("no decoder was given; choose at least one", advice="decoder")
    return {str(name): instantiate(node) for name, node in nodes.items()}
