"""Settings that every command has: CPU threads, the seed, and those that one cannot do without."""

from __future__ import annotations

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from arc_encoder.core.errors import ConfigError


def set_up_process(config: DictConfig, *, workers: bool = False) -> None:
    """Take `threads` and `seed` of a configuration, those of them that it has."""
    if config.get("threads"):
        torch.set_num_threads(config.threads)
    if config.get("seed") is not None:
        L.seed_everything(config.seed, workers=workers, verbose=False)


def words_of_command() -> list[str] | None:
    """The overrides that this command was given; None in a notebook, and where they are not to be written down, as
    `--resume` says.

    Hydra would write them before it is known whether the run is accepted, over those of an earlier run.
    """
    if not HydraConfig.initialized():
        return None
    given = HydraConfig.get().overrides
    return None if "hydra.output_subdir=null" in given.hydra else [str(word) for word in given.task]


def need(config: DictConfig, *names: str, usage: str) -> None:
    """Refuse a configuration that leaves one of `names` open.

    Raises:
        ConfigError: which one, and how the command is used.
    """
    for name in names:
        if config[name] is None:
            raise ConfigError(f"{name} is missing: {usage}")


def one_decoder(config: DictConfig) -> str:
    """The name of the only decoder of a configuration.

    Raises:
        ConfigError: none was given, or several.
    """
    names = [str(name) for name in config.get("decoders") or {}]
    if len(names) != 1:
        raise ConfigError(
            f"this is for one decoder; {', '.join(names) or 'none'} was given: choose one with decoder=<name>"
        )
    return names[0]
