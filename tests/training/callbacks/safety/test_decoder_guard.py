"""DecoderGuard: a run whose decoder changes fails, whoever changed it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.training.callbacks import DecoderGuard
from arc_encoder.training.callbacks.safety.decoder_guard import DecoderChangedError
from tests.tiny_models import tiny_compressor, tiny_decoder
from tests.training.conftest import Fit, data_module, two_decoders


class Spoil(Callback):
    """Writes to one decoder tensor in the middle of the run."""

    def __init__(self, decoder: str, kind: str) -> None:
        self.decoder, self.kind = decoder, kind

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == 1:
            model = pl_module.model.decoder(self.decoder).model
            tensor = list(model.parameters() if self.kind == "weight" else model.buffers())[-1]
            with torch.no_grad():
                tensor.view(-1)[0] += 1e-3


def saved(folder: Path) -> ModelCheckpoint:
    return ModelCheckpoint(folder, every_n_train_steps=1, save_top_k=1, monitor="step", mode="max")


@pytest.mark.parametrize("kind", ["weight", "buffer"])
def test_a_decoder_that_changes_in_the_run_is_named(fit: Fit, kind: str) -> None:
    data = data_module(("first", "second"))
    with pytest.raises(DecoderChangedError, match=r"decoder 'second'.*changed during training"):
        fit(DecoderGuard(), Spoil("second", kind), model=two_decoders(), data=data)


def test_without_the_guard_the_change_would_pass(fit: Fit) -> None:
    fit(Spoil("second", "weight"), model=two_decoders(), data=data_module(("first", "second")))


def test_an_honest_run_passes_and_its_checkpoint_holds_the_fingerprints(fit: Fit, tmp_path: Path) -> None:
    guard = DecoderGuard()
    _, module = fit(guard, saved(tmp_path), enable_checkpointing=True)
    wanted = {"decoder": module.model.decoder("decoder").fingerprint()}
    checkpoint = torch.load(next(tmp_path.glob("*.ckpt")), weights_only=True)
    assert checkpoint["callbacks"]["DecoderGuard"] == guard.fingerprints == wanted


def test_resuming_with_another_decoder_is_refused(fit: Fit, tmp_path: Path) -> None:
    fit(DecoderGuard(), saved(tmp_path), enable_checkpointing=True)
    checkpoint = next(tmp_path.glob("*.ckpt"))
    other = ArcForCausalLM(tiny_compressor(), {"decoder": tiny_decoder(seed=99)})
    with pytest.raises(DecoderChangedError, match="resume with the decoders it was trained with"):
        fit(DecoderGuard(), model=other, steps=5, resume=checkpoint)
    fit(DecoderGuard(), steps=5, resume=checkpoint)  # the same one is welcome
