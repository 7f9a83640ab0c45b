"""WeightAverage: the mean that the formula says, of trained weights only, where it is looked at and published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.training.callbacks import ExportCompressor, StepCheckpoint, WeightAverage
from tests.training.conftest import Fit, Record, data_module, settings

CHOSEN = "heads.decoder.projector.layer1.weight"


def look(trainer: Any, module: Any) -> Tensor:
    return dict(module.model.compressor.named_parameters())[CHOSEN].detach().clone()


class InValidation(Callback):
    """Keeps a weight as each validation sees it, and as training continues with it."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []
        self.after: list[Tensor] = []

    def on_validation_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.seen.append(look(trainer, pl_module))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.after.append(look(trainer, pl_module))


def validated() -> Any:
    return data_module(validation={"again": data_module().tasks["reconstruction"]}, validation_batches=1)


def test_the_average_is_that_of_the_formula(fit: Fit, tmp_path: Path) -> None:
    average, plain = WeightAverage(0.9), Record(look)
    last = InValidation()
    _, module = fit(last, average, plain, ExportCompressor(str(tmp_path / "out")), steps=4, data=validated())
    _, without = fit(steps=4)
    weights = [*plain.seen, dict(without.model.compressor.named_parameters())[CHOSEN].detach()]
    assert torch.equal(last.seen[0], average.averages[CHOSEN])  # the validation at the end saw it
    expected = weights[0].clone()
    for step, weight in enumerate(weights[1:], start=1):
        share = min(0.9, (1 + step) / (10 + step))
        expected = share * expected + (1 - share) * weight
    torch.testing.assert_close(average.averages[CHOSEN], expected)
    assert not torch.allclose(expected, weights[-1])
    published = ArcEncoderModel.from_pretrained(tmp_path / "out")
    assert torch.equal(dict(published.named_parameters())[CHOSEN], average.averages[CHOSEN])
    assert torch.equal(look(None, module), average.averages[CHOSEN])


def test_training_itself_is_not_changed(fit: Fit) -> None:
    one, other = Record(look), Record(look)
    fit(WeightAverage(0.5, warmup=False), one, steps=6, data=validated(), val_check_interval=2)
    fit(other, steps=6, data=validated(), val_check_interval=2)
    assert all(torch.equal(a, b) for a, b in zip(one.seen, other.seen, strict=True))


def test_only_what_is_trained_is_kept(fit: Fit) -> None:
    average = WeightAverage()
    _, module = fit(average, steps=1, optim=settings(train_encoder=False))
    trained = {name for name, p in module.model.compressor.named_parameters() if p.requires_grad}
    assert set(average.averages) == trained
    assert trained
    assert not any(name.startswith("encoder.") for name in trained)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_resumed_average_is_exact(fit: Fit, tmp_path: Path, accumulate: int) -> None:
    options = {"accumulate_grad_batches": accumulate, "enable_checkpointing": True, "val_check_interval": 1}
    whole, first, rest = (WeightAverage(0.9) for _ in range(3))
    fit(whole, StepCheckpoint(str(tmp_path / "a"), every_n_train_steps=2), steps=5, **options)
    fit(first, StepCheckpoint(str(tmp_path / "b"), every_n_train_steps=2, save_top_k=-1), steps=5, **options)
    fit(rest, steps=5, resume=tmp_path / "b" / "step=2.ckpt", **options)
    assert all(torch.equal(tensor, rest.averages[name]) for name, tensor in whole.averages.items())


def test_a_checkpoint_of_a_failed_validation_holds_plain_weights(fit: Fit, tmp_path: Path) -> None:
    class Fails(Callback):
        def on_validation_batch_start(self, *_: Any) -> None:
            raise RuntimeError("stop")

    checkpoint = StepCheckpoint(str(tmp_path), every_n_train_steps=100)
    with pytest.raises(RuntimeError, match="stop"):
        fit(
            WeightAverage(0.5),
            Fails(),
            checkpoint,
            steps=6,
            val_check_interval=2,
            data=validated(),
            enable_checkpointing=True,
        )
    plain = Record(look)
    fit(plain, steps=6)
    saved = torch.load(tmp_path / "step=2.ckpt", weights_only=True)["state_dict"]
    assert torch.equal(saved[f"model._compressor.{CHOSEN}"], plain.seen[2])


def test_a_checkpoint_without_average_is_refused(fit: Fit, tmp_path: Path) -> None:
    fit(StepCheckpoint(str(tmp_path)), steps=2, enable_checkpointing=True)
    with pytest.raises(CheckpointError, match="holds no average of the weights"):
        fit(WeightAverage(), steps=4, resume=tmp_path / "step=2.ckpt")


def test_a_decay_that_cannot_be_is_refused() -> None:
    for decay in (0.0, 1.0, 1.5):
        with pytest.raises(ConfigError, match="must be between 0 and 1"):
            WeightAverage(decay)
