"""MixedPrecision: float32 master weights, frozen decoders in any dtype."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.decoder.load import load_decoder
from arc_encoder.training.callbacks import DecoderGuard, MixedPrecision
from tests.tiny_models import tiny_arc_model, tiny_compressor, tiny_decoder
from tests.tiny_runs import save_tiny_model
from tests.training.conftest import Fit


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_bfloat16_decoder_trains_a_float32_encoder(fit: Fit, precision: str) -> None:
    start = tiny_compressor().state_dict()
    trainer, module = fit(DecoderGuard(), MixedPrecision("bfloat16"), steps=3, precision=precision)
    assert {weight.dtype for weight in module.model.decoders.parameters()} == {torch.bfloat16}
    end = module.model.compressor.state_dict()
    assert {tensor.dtype for tensor in end.values()} == {torch.float32}
    assert all(tensor.isfinite().all() for tensor in end.values())
    moved = {name for name, tensor in end.items() if not torch.equal(tensor, start[name])}
    assert moved == set(end) - {"heads.decoder.task_tokens.continue"}
    # master weights are finer than bfloat16: rounding them would change them
    weight = end["heads.decoder.projector.layer1.weight"]
    assert not torch.equal(weight, weight.bfloat16().float())
    assert torch.isfinite(trainer.callback_metrics["train/loss"])


def test_the_computation_is_in_the_dtype_of_the_trainer(fit: Fit) -> None:
    """The loss in mixed precision differs from the float32 one, but not by much."""
    losses = {
        p: float(fit(MixedPrecision(), steps=1, precision=p)[0].callback_metrics["train/loss"])
        for p in ("32-true", "bf16-mixed")
    }
    difference = abs(losses["32-true"] - losses["bf16-mixed"])
    assert 0 < difference < 0.05 * losses["32-true"]


def test_casting_a_decoder_equals_loading_it_in_that_dtype(fit: Fit, tmp_path: Path) -> None:
    """Weights are cast; rotary frequencies stay exact, or distant positions would lose their place."""
    folder = save_tiny_model(tmp_path / "model")
    loaded = load_decoder(folder, dtype="bfloat16")
    model = ArcForCausalLM(tiny_compressor(), {"decoder": load_decoder(folder)})
    fit(MixedPrecision("bfloat16"), model=model, steps=1)
    cast = model.decoder("decoder")
    assert cast.fingerprint() == loaded.fingerprint()
    embeddings, mask = torch.randn(1, 400, 32, dtype=torch.bfloat16), torch.ones(1, 400, dtype=torch.bool)
    assert torch.equal(cast.logits(embeddings, mask, mask), loaded.logits(embeddings, mask, mask))


def test_nothing_is_cast_unless_asked(fit: Fit) -> None:
    _, module = fit(MixedPrecision(), steps=1)
    assert {weight.dtype for weight in module.model.decoders.parameters()} == {torch.float32}


def test_a_trained_weight_in_bfloat16_is_refused(fit: Fit) -> None:
    model = tiny_arc_model()
    projector = model.compressor.head("decoder").projector
    projector.layer2.weight.data = projector.layer2.weight.data.bfloat16()
    with pytest.raises(
        ConfigError, match=r"must be float32, but 1 are not, first: heads.decoder.projector.layer2.weight"
    ):
        fit(MixedPrecision(), model=model, precision="bf16-mixed")


def test_a_decoder_weight_that_asks_for_gradients_is_refused(fit: Fit) -> None:
    decoder = tiny_decoder()
    next(decoder.model.parameters()).requires_grad_(True)
    with pytest.raises(ConfigError, match="must be frozen, but 1 ask for gradients"):
        fit(MixedPrecision(), model=ArcForCausalLM(tiny_compressor(), {"decoder": decoder}))


@pytest.mark.parametrize("precision", ["bf16-true", "16-true", "64-true"])
def test_precisions_without_float32_master_weights_are_refused(fit: Fit, precision: str) -> None:
    with pytest.raises(ConfigError, match=f"{precision}.*choose one of 32-true, bf16-mixed, 16-mixed"):
        fit(MixedPrecision(), precision=precision)


def test_an_unknown_decoder_dtype_is_refused() -> None:
    with pytest.raises(ConfigError, match="decoder_dtype='int8' is unknown; choose one of float32, bfloat16, float16"):
        MixedPrecision("int8")
