"""A training, from its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from arc_encoder.config.building.compressors import build_decoders
from arc_encoder.config.building.settings import set_up_process
from arc_encoder.core.errors import ConfigError
from arc_encoder.training.checkpoints.resume import open_run
from arc_encoder.training.fit import fit, plugins


def train_from_config(config: DictConfig, *, words: Sequence[str] | None = None) -> dict[str, float]:
    """Train as `config` says, in the folder `config.paths.run`; see `fit`. The folder keeps the `words` of a command."""
    set_up_process(config, workers=True)
    written = OmegaConf.to_yaml(config, resolve=True)
    with open_run(Path(config.paths.run), resume=config.resume, config=written, words=words, seed=config.seed) as run:
        data = instantiate(config.data)
        decoders = build_decoders(config.get("decoders") or {})
        model, tokenizer = instantiate(config.model)(decoders=decoders)
        callbacks: list[Callback] = [instantiate(node) for node in (config.callbacks or {}).values() if node]
        loggers: list[Logger] = [instantiate(node) for node in (config.logger or {}).values() if node]
        trainer = build_trainer(config.trainer, callbacks, loggers)
        objective, optim = instantiate(config.objective), instantiate(config.optim)
        settings: Any = OmegaConf.to_container(config, resolve=True)
        return fit(
            model, tokenizer, data, optim, trainer=trainer, objective=objective, run=run, hyperparameters=settings
        )


def build_trainer(node: DictConfig, callbacks: list[Callback], loggers: list[Logger]) -> L.Trainer:
    """The Lightning Trainer of a configuration.

    Raises:
        ConfigError: settings that Lightning cannot use here.
    """
    chosen = [*(instantiate(each) for each in node.get("plugins") or []), *plugins()]
    try:
        trainer: L.Trainer = instantiate(node, callbacks=callbacks, logger=loggers or False, plugins=chosen)
    except InstantiationException as error:
        raise ConfigError(f"Lightning refuses the trainer's settings: {error.__cause__ or error}") from error
    return trainer
