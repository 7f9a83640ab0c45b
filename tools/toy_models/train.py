"""Make one of the bundled toy models again, from nothing.

Run command: ``python -m tools.toy_models.train toy_model=toy_a output=logs/toy_models/toy_a``
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from safetensors import SafetensorError
from torch.utils.data import DataLoader

from arc_encoder.config.app.failing import user_errors
from arc_encoder.config.app.run import quieten
from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.data.synthetic.toy_world import ToyWorld
from tools.toy_models.language_model import ToyLanguageModel
from tools.toy_models.lm_text import LanguageModelRows
from tools.toy_models.tokenizers import train_tokenizer

HERE = Path(__file__).parent


def settings(words: Sequence[str]) -> DictConfig:
    """The recipe with the words of a command line, such as ``toy_model=toy_b steps=20``.

    Raises:
        ConfigError: no such model or setting.
    """
    models: Any = OmegaConf.load(HERE / "models.yaml")
    given = OmegaConf.from_dotlist(list(words))
    name = str(given.pop("toy_model", "toy_a"))
    if name not in models:
        raise ConfigError(f"toy_model={name}: no such model; there are {', '.join(map(str, models))}")
    config: Any = OmegaConf.merge(OmegaConf.load(HERE / "recipe.yaml"), {"model": models[name]})
    OmegaConf.set_struct(config, True)
    try:
        config.merge_with(given)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{' '.join(words)}: {error}; recipe.yaml and models.yaml hold what can be set") from error
    return config


def main() -> None:
    """Entry point of the script."""
    if {"--help", "-h"} & set(sys.argv):
        print((HERE / "recipe.yaml").read_text(encoding="utf-8"), end="")
        return
    quieten()
    with user_errors():
        train_toy_model(settings(sys.argv[1:]))


def train_toy_model(config: DictConfig) -> Path:
    """Train tokenizer and model as `config` says; returns the folder that holds both, in Hugging Face layout.

    Next to the weights (stored as float16) are `recipe.yaml` and `training_log.csv`.
    """
    L.seed_everything(config.seed, workers=True, verbose=False)
    torch.set_num_threads(config.threads)
    world = ToyWorld(config.world_seed, "train")
    tokenizer = train_tokenizer(world, vocab_size=config.model.vocab_size)
    mix: Any = OmegaConf.to_container(config.mix)
    shape: Any = OmegaConf.to_container(config.model.architecture)
    batch = config.batch_size
    train = LanguageModelRows(
        world, tokenizer, rows=config.steps * batch, window=config.window, mix=mix, seed=config.seed
    )
    held_out = LanguageModelRows(
        ToyWorld(config.world_seed, "held_out"),
        tokenizer,
        rows=64,
        window=config.window,
        mix={"questions": 1.0},
        seed=config.seed,
    )
    architecture = {
        **shape,
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    module = ToyLanguageModel(architecture, steps=config.steps, **config.optim)
    if config.init_from is not None:
        load_weights(module, Path(config.init_from))
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    logger = CSVLogger(config.logs, name=config.model.name, flush_logs_every_n_steps=50)
    trainer = L.Trainer(
        max_steps=2 * min(config.steps, config.stop_after or config.steps),  # two optimizers step in turn
        max_epochs=1,
        accelerator="cpu",
        devices=1,
        logger=logger,
        log_every_n_steps=50,
        val_check_interval=config.validate_every,
        enable_checkpointing=False,
        enable_model_summary=False,
        callbacks=[SaveEvery(output)],
    )
    tokenizer.save_pretrained(output)
    trainer.fit(
        module,
        DataLoader(train, batch_size=batch, num_workers=0),
        DataLoader(held_out, batch_size=16, num_workers=0),
    )
    save_model(module, output)
    logger.save()
    _write_log(Path(logger.log_dir) / "metrics.csv", output / "training_log.csv")
    recipe = OmegaConf.create({key: value for key, value in config.items() if key not in ("output", "logs", "threads")})
    OmegaConf.save(recipe, output / "recipe.yaml", resolve=True)
    return output


def load_weights(module: ToyLanguageModel, folder: Path) -> None:
    """Start from the weights of an earlier stage.

    Raises:
        CheckpointError: none there, or of another shape.
    """
    try:
        # Through the library, which stores the weights of some families under other names.
        saved = type(module.model).from_pretrained(folder, dtype=torch.float32)
        module.model.load_state_dict(saved.state_dict())
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"init_from={folder}: no toy model of this architecture there ({error})") from error


class SaveEvery(Callback):
    """Writes the model at every validation, so that an interrupted run leaves something to look at."""

    def __init__(self, output: Path) -> None:
        self.output = output

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if isinstance(module, ToyLanguageModel):
            save_model(module, self.output)


def save_model(module: ToyLanguageModel, output: Path) -> None:
    """Write the weights as float16 (half the size; scores are measured on what is stored)."""
    state = {name: value.half() for name, value in module.model.state_dict().items()}
    module.model.save_pretrained(output, state_dict=state)


def _write_log(source: Path, target: Path) -> None:
    with source.open() as lines, target.open("w", newline="") as out:
        rows = [row for row in csv.DictReader(lines) if row.get("val/loss")]
        writer = csv.writer(out)
        writer.writerow(["step", "val_loss", "val_answer_token_accuracy"])
        writer.writerows([int(row["step"]) + 1, row["val/loss"], row["val/answer_token_accuracy"]] for row in rows)


if __name__ == "__main__":
    main()
