"""The compressor that a command's configuration names."""

from __future__ import annotations

from omegaconf import DictConfig

from arc_encoder.config.building.decoders import build_decoders
from arc_encoder.config.compose import import_modules
from arc_encoder.config.paths import register_resolvers
from arc_encoder.core.compute.device import own_device
from arc_encoder.core.errors import ConfigError
from arc_encoder.inference import Compressor


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
