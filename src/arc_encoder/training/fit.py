"""Training as one function: what `arc-train` does, for notebooks and scripts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from transformers import PreTrainedTokenizerBase

from arc_encoder.data.batching.collator import texts_of
from arc_encoder.data.batching.datamodule import ArcDataModule
from arc_encoder.model.arc_model import ArcModel
from arc_encoder.training.callbacks import (
    DecoderGuard,
    ExportCompressor,
    MixedPrecision,
    Progress,
    RandomState,
    StepCheckpoint,
    StopOnSignal,
    Throughput,
)
from arc_encoder.training.checkpoints.checkpoint_files import AtomicCheckpointIO
from arc_encoder.training.module import ArcLightningModule
from arc_encoder.training.objectives import CrossEntropy, Objective
from arc_encoder.training.optim.optimizer import OptimSettings

# What every training of this project has, whoever makes its Trainer.
TRAINER = {
    "gradient_clip_val": 1.0,
    "check_val_every_n_epoch": None,  # a run is one epoch; validation goes by batches alone
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,  # the batch plan already gives each process its own records
    "enable_model_summary": False,
}


def fit(
    model: ArcModel,
    tokenizer: PreTrainedTokenizerBase,
    data: ArcDataModule,
    optim: OptimSettings,
    *,
    folder: str | Path | None = None,
    steps: int = 1000,
    trainer: L.Trainer | None = None,
    objective: Objective | None = None,
    resume: str | Path | None = None,
) -> dict[str, float]:
    """Train an ARC-Encoder in front of its frozen decoders.

    Args:
        model: ARC-Encoder and decoders, such as `build_arc_model` makes.
        tokenizer: the encoder's.
        data: tasks, batches, pooling factors.
        optim: learning rates, schedule, and which parts are trained.
        folder: where checkpoints, TensorBoard events and the trained compressor go; with `trainer` it says all that.
        steps: optimizer steps of the run, without `trainer`.
        trainer: a Lightning Trainer of your own, instead of `make_trainer(folder, steps)`.
        objective: what is minimised; the method's cross-entropy by default.
        resume: a checkpoint of the same run to go on from.

    Returns:
        the last value of everything that was logged, such as ``val/loss``.

    Raises:
        ConfigError: settings that do not go together.
        Interrupted: a signal stopped the run after it saved its last step; go on with `resume`.
    """
    chosen = objective or CrossEntropy()
    own_factor = model.compressor.encoder.pooling.overall_factor
    data.connect(
        tokenizer, texts_of(model.frozen_decoders()), own_factor=own_factor, with_reference=chosen.needs_reference
    )
    module = ArcLightningModule(model, optim, chosen)
    if trainer is None:
        trainer = make_trainer(folder or "logs/fit", steps)
    trainer.fit(module, data, ckpt_path=None if resume is None else str(resume), weights_only=True)
    if resume and data.validation and not module.validated and trainer.global_step >= trainer.max_steps:
        trainer.validate(module, data, verbose=False)  # the run was killed in its last validation
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def make_trainer(folder: str | Path, steps: int, **options: Any) -> L.Trainer:
    """A Trainer for one process with the callbacks that a run wants, its files in `folder`.

    Args:
        folder: of the run: `checkpoints`, `tensorboard`, `compressor`.
        steps: optimizer steps.
        options: further arguments of Lightning's Trainer, instead of those that are chosen here.
    """
    place = Path(folder)
    callbacks: list[Callback] = [
        DecoderGuard(),
        MixedPrecision(),
        RandomState(),
        Throughput(),
        StopOnSignal(),
        StepCheckpoint(str(place / "checkpoints")),
        ExportCompressor(str(place / "compressor")),
        Progress(),
    ]
    logger = TensorBoardLogger(str(place), name="tensorboard", version="", default_hp_metric=False)
    chosen: Mapping[str, Any] = {
        "accelerator": "auto",
        "devices": 1,
        "val_check_interval": min(steps, 200),
        "log_every_n_steps": min(steps, 10),
        "callbacks": callbacks,
        "logger": logger,
        "plugins": plugins(),
        "default_root_dir": place,
        **TRAINER,
        **options,
    }
    return L.Trainer(max_steps=steps, **chosen)


def plugins() -> list[Any]:
    """What every Trainer of this project needs: atomic checkpoints, and on SLURM nothing that saves in mid-step."""
    found: list[Any] = [AtomicCheckpointIO()]
    if SLURMEnvironment.detect():
        # Lightning would save in the middle of a step, and take any hpc_ckpt_*.ckpt of the folder where we stand.
        found.append(SLURMEnvironment(auto_requeue=False))
    return found
