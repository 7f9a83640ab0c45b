"""Training as one function."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import lightning as L
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import Interrupted
from arc_encoder.data.batching.collator import texts_of
from arc_encoder.data.batching.datamodule import ArcDataModule
from arc_encoder.model.arc_model import ArcForCausalLM
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
from arc_encoder.training.checkpoints.compatibility import check_same_model
from arc_encoder.training.checkpoints.resume import TrainingRun, check_max_steps, open_run
from arc_encoder.training.hyperparameters import log_hyperparameters, log_outcome
from arc_encoder.training.module import ArcLightningModule
from arc_encoder.training.objectives import CrossEntropy, Objective
from arc_encoder.training.optim.optimizer import OptimSettings

# What every training of this project has, whoever makes its Trainer.
TRAINER = {
    "gradient_clip_val": 1.0,
    "check_val_every_n_epoch": None,  # a run is one epoch; validation goes by batches alone
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,  # the batch schedule already gives each process its own records
    "enable_model_summary": False,
}


def fit(
    model: ArcForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    data: ArcDataModule,
    optim: OptimSettings,
    *,
    folder: str | Path | None = None,
    steps: int = 1000,
    trainer: L.Trainer | None = None,
    objective: Objective | None = None,
    resume: str | Path | None = None,
    run: TrainingRun | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
) -> dict[str, float]:
    """Train an ARC-Encoder in front of its frozen decoders.

    Args:
        model: ARC-Encoder and decoders, such as `build_arc_model` makes.
        tokenizer: the encoder's.
        data: tasks, batches, pooling factors.
        optim: learning rates, schedule, and which parts are trained.
        folder: of the run: checkpoints, TensorBoard events, the trained compressor; a new one below `logs/fit` by default.
        steps: optimizer steps of the run, without `trainer`.
        trainer: a Lightning Trainer of your own, instead of `make_trainer(folder, steps)`; its callbacks say what is written,
            and `resume` is a checkpoint then, unless there is a `folder`.
        objective: what is minimised; the method's cross-entropy by default.
        resume: a checkpoint of the same run to continue from, the run's folder for its newest one, or ``auto``: the
            newest one of `folder`, if there is any.
        run: a run that was opened already (`open_run`), instead of `folder` and `resume`.
        hyperparameters: nested settings for the loggers.

    Returns:
        the last value of everything that was logged, such as ``val/loss``.

    Raises:
        CheckpointError: there is no sound checkpoint to continue from.
        ConfigError: settings that do not go together, or a folder that holds another run.
        Interrupted: a signal stopped the run after it saved its last step; continue with `resume`.
    """
    if run is None and trainer is not None and folder is None:  # whose callbacks know where they write
        run = TrainingRun(Path(trainer.default_root_dir), None if resume is None else str(resume))
    place = Path(folder) if folder is not None else Path("logs/fit") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    with nullcontext(run) if run is not None else open_run(place, resume=resume) as opened:
        trainer = make_trainer(opened.folder, steps) if trainer is None else trainer
        if opened.checkpoint is not None:
            check_max_steps(opened.checkpoint, trainer.max_steps)
        objective = objective or CrossEntropy()
        texts, own_factor = texts_of(model.frozen_decoders()), model.compressor.overall_factor
        data.connect(tokenizer, texts, own_factor=own_factor, with_reference=objective.needs_reference)
        module = ArcLightningModule(model, optim, objective)
        if opened.checkpoint is not None:
            check_same_model(opened.checkpoint, module, hyperparameters)
        opened.accept()
        log_hyperparameters(hyperparameters or {}, model, trainer.loggers)
        try:
            metrics = _train(module, data, trainer, opened.checkpoint)
        except Interrupted as stop:
            raise Interrupted(str(stop), status=stop.status, advice="resume", checkpoint=opened.folder) from stop
        log_outcome(metrics, trainer.global_step, trainer.loggers)
    return metrics


def _train(
    module: ArcLightningModule, data: ArcDataModule, trainer: L.Trainer, checkpoint: str | None
) -> dict[str, float]:
    trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
    if checkpoint and data.validation and not module.validated and trainer.global_step >= trainer.max_steps:
        trainer.validate(module, data, verbose=False)  # the run was killed in its last validation
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def make_trainer(folder: str | Path, steps: int, **options: Any) -> L.Trainer:
    """A Trainer for one process with the callbacks that a run wants, its files in `folder`."""
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
        # Lightning would save in the middle of a step, and take any hpc_ckpt_*.ckpt of the current folder.
        found.append(SLURMEnvironment(auto_requeue=False))
    return found
