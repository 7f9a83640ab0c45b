"""Training as one function."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from arc_encoder.core.errors import ConfigError
from arc_encoder.data import ArcDataModule
from arc_encoder.data.records import Document
from arc_encoder.data.tasks import Reconstruction
from arc_encoder.inference import Compressor
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.assembly.build import build_arc_model
from arc_encoder.model.decoder.load import load_decoder
from arc_encoder.model.encoder.backbone import Backbone
from arc_encoder.model.encoder.pooling import MeanPooling
from arc_encoder.model.heads.projectors import MLPProjector
from arc_encoder.training.fit import fit, make_trainer
from arc_encoder.training.objectives import Distillation
from arc_encoder.training.optim.optimizer import OptimSettings
from tests.tiny_runs import save_tiny_model

OPTIM = OptimSettings(encoder_lr=1e-3, projector_lr=2e-3, task_token_lr=1e-3, warmup_steps=1)


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


def parts(language_model: Path) -> tuple[ArcForCausalLM, object, ArcDataModule]:
    torch.manual_seed(0)
    decoders = {"d": load_decoder(language_model)}
    model, tokenizer = build_arc_model(Backbone(str(language_model)), MeanPooling(4), MLPProjector, decoders)
    documents = [Document(str(i), f"document number {i} of them all") for i in range(20)]
    task = Reconstruction(documents, max_tokens=24)
    return model, tokenizer, ArcDataModule({"r": task}, validation={"r": task}, batch_size=2, validation_batches=1)


def test_a_run_leaves_a_compressor_that_can_be_used(language_model: Path, tmp_path: Path) -> None:
    model, tokenizer, data = parts(language_model)
    before = {name: weight.clone() for name, weight in model.compressor.named_parameters()}
    metrics = fit(model, tokenizer, data, OPTIM, folder=tmp_path / "run", steps=4)  # type: ignore[arg-type]
    assert metrics["val/loss"] > 0
    assert any(not torch.equal(weight, before[name]) for name, weight in model.compressor.named_parameters())
    compressor = Compressor.from_pretrained(tmp_path / "run" / "compressor", decoder=language_model)
    assert compressor.model.config.factors == [4.0]
    assert len(compressor.encode(["a text of some length"])[0]) == 7
    assert list((tmp_path / "run" / "tensorboard").iterdir())
    assert [file.name for file in (tmp_path / "run" / "checkpoints").iterdir()] == ["step=4.ckpt"]


class Break(Callback):
    """Ends a run in its middle."""

    def on_train_batch_end(self, trainer: L.Trainer, *rest: object) -> None:
        if trainer.global_step == 3:
            raise RuntimeError("the lights went out")


def test_a_run_can_be_resumed_exactly(language_model: Path, tmp_path: Path) -> None:
    whole, tokenizer, data = parts(language_model)
    fit(whole, tokenizer, data, OPTIM, folder=tmp_path / "whole", steps=6)  # type: ignore[arg-type]
    half, tokenizer, data = parts(language_model)
    trainer = make_trainer(tmp_path / "half", 6)
    trainer.callbacks.append(Break())  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="the lights went out"):
        fit(half, tokenizer, data, OPTIM, trainer=trainer)  # type: ignore[arg-type]
    again, tokenizer, data = parts(language_model)
    (file,) = (tmp_path / "half" / "checkpoints").iterdir()
    fit(again, tokenizer, data, OPTIM, folder=tmp_path / "half", steps=6, resume=file)  # type: ignore[arg-type]
    for (name, weight), (_, other) in zip(
        whole.compressor.named_parameters(), again.compressor.named_parameters(), strict=True
    ):
        assert torch.equal(weight, other), name


def test_what_does_not_go_together_is_refused(language_model: Path, tmp_path: Path) -> None:
    model, tokenizer, data = parts(language_model)
    trainer = make_trainer(tmp_path, 2, precision="64-true", accelerator="cpu")
    with pytest.raises(ConfigError, match="precision='64-true'"):
        fit(model, tokenizer, data, OPTIM, trainer=trainer)  # type: ignore[arg-type]
    metrics = fit(model, tokenizer, data, OPTIM, folder=tmp_path, steps=2, objective=Distillation())  # type: ignore[arg-type]
    assert any("divergence" in name for name in metrics)
