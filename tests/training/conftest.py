"""Short trainings of tiny random models, in this process and without files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from arc_encoder.data import ArcDataModule
from arc_encoder.data.batching.collator import DecoderText
from arc_encoder.data.records import Document
from arc_encoder.data.tasks import Reconstruction
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.training.module import ArcLightningModule
from arc_encoder.training.optim.optimizer import OptimSettings
from tests.tiny_models import tiny_arc_model, tiny_compressor, tiny_decoder, tiny_tokenizer

Fit = Callable[..., tuple[L.Trainer, ArcLightningModule]]


class Texts:
    """A source of short documents."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> Document:
        return Document(f"text-{index}", self.texts[index])


def settings(**changes: Any) -> OptimSettings:
    """Rates that move tiny models, no warm-up."""
    rates = {"encoder_lr": 1e-3, "projector_lr": 2e-3, "task_token_lr": 3e-3, "final_lr": 1e-5, "warmup_steps": 0}
    return OptimSettings(**{**rates, **changes})


def data_module(decoders: Sequence[str] = ("decoder",), **options: Any) -> ArcDataModule:
    """Reconstruction of four texts, connected to byte tokenizers."""
    texts = Texts(["one apple", "two pears", "a third, longer document", "the last of all"])
    tasks = {"reconstruction": Reconstruction(texts, share=1.0)}
    data = ArcDataModule(tasks, **{"validation": {}, "batch_size": 2, "validation_batches": 2, **options})
    data.connect(tiny_tokenizer(), {name: DecoderText(tiny_tokenizer()) for name in decoders})
    return data


def two_decoders() -> ArcForCausalLM:
    """One encoder in front of two decoders of different widths."""
    decoders = {"first": tiny_decoder(seed=7), "second": tiny_decoder(seed=8, width=48)}
    return ArcForCausalLM(tiny_compressor(widths={"first": 32, "second": 48}), decoders)


class Record(Callback):
    """Keeps what a function makes of the run before each training batch."""

    def __init__(self, look: Callable[[L.Trainer, Any], Any]) -> None:
        self.look, self.seen = look, []

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.seen.append(self.look(trainer, pl_module))


@pytest.fixture
def fit(tmp_path: Any) -> Fit:
    """Trains and returns trainer and module: `fit(*callbacks, steps=…, model=…, data=…, optim=…, …)`."""

    def run(
        *callbacks: Callback,
        steps: int = 3,
        model: ArcForCausalLM | None = None,
        data: Any = None,
        optim: OptimSettings | None = None,
        resume: Any = None,
        **trainer_options: Any,
    ) -> tuple[L.Trainer, ArcLightningModule]:
        torch.manual_seed(0)
        module = ArcLightningModule(model or tiny_arc_model(), optim or settings())
        options = {
            "accelerator": "cpu",
            "devices": 1,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "use_distributed_sampler": False,
            "log_every_n_steps": 1,
            "check_val_every_n_epoch": None,
            "val_check_interval": steps,
            "gradient_clip_val": 1.0,
            "default_root_dir": tmp_path,
        }
        trainer = L.Trainer(max_steps=steps, callbacks=list(callbacks), **{**options, **trainer_options})
        if isinstance(data, ArcDataModule) or data is None:
            trainer.fit(module, datamodule=data or data_module(), ckpt_path=resume, weights_only=True)
        else:
            loader = torch.utils.data.DataLoader(data, batch_size=None)
            trainer.fit(module, train_dataloaders=loader, ckpt_path=resume, weights_only=True)
        return trainer, module

    return run
