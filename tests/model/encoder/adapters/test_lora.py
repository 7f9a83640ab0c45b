"""LoRA on the backbone: what is trained, what is written, and what is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.assembly.build import build_arc_model
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.encoder.adapters import LoraAdapter
from arc_encoder.model.encoder.backbone import Backbone
from arc_encoder.model.encoder.pooling import MeanPooling, MemoryTokens, Pooling
from arc_encoder.model.heads.projectors import MLPProjector
from arc_encoder.training.callbacks import ExportCompressor
from arc_encoder.training.module import ArcLightningModule
from arc_encoder.training.optim.optimizer import make_optimizer
from arc_encoder.training.optim.trainable import set_trainable
from tests.e2e.test_resume import Stopped, assert_same_weights
from tests.tiny_models import make_batch, numbers, random_contexts, tiny_compressor, tiny_decoder
from tests.tiny_runs import losses, model_overrides, run_train, save_tiny_model, short_overrides
from tests.training.conftest import Fit, settings
from tests.training.conftest import fit as fit  # the fixture

pytestmark = pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="needs the extra lora (peft)")
RANK, LAYERS = 4, 3


def lora_compressor(
    family: str = "llama", *, pooling: Pooling | None = None, moved: bool = True, **options: Any
) -> ArcEncoderModel:
    """A tiny ARC-Encoder with an adapter whose weights are no longer those of the start."""
    compressor = tiny_compressor(family, layers=LAYERS, pooling=pooling)
    torch.manual_seed(5)
    compressor.encoder.attach(LoraAdapter(**{"rank": RANK, "alpha": 8, **options}))
    if moved:
        for name, parameter in compressor.named_parameters():
            if "lora_B" in name.split("."):
                torch.nn.init.normal_(parameter, std=0.3)
    return compressor.eval()


def lora_model(**options: Any) -> ArcForCausalLM:
    return ArcForCausalLM(lora_compressor(**options), {"decoder": tiny_decoder(seed=7)})


@torch.no_grad()
def vectors(compressor: ArcEncoderModel) -> Tensor:
    ids, lengths = random_contexts([17, 3, 30])
    found, counts = compressor(ids, lengths, "decoder")
    return torch.cat([row[:count] for row, count in zip(found, counts.tolist(), strict=True)])


def assert_same_vectors(one: ArcEncoderModel, other: ArcEncoderModel) -> None:
    """Up to 1e-5 of the largest value: W x + B A x and (W + B A) x are rounded differently."""
    expected = vectors(other)
    torch.testing.assert_close(vectors(one), expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


def is_lora(name: str) -> bool:
    return bool({"lora_A", "lora_B"} & set(name.split(".")))


def test_nothing_changes_before_training() -> None:
    torch.testing.assert_close(vectors(lora_compressor(moved=False)), vectors(tiny_compressor(layers=LAYERS)))
    assert (vectors(lora_compressor()) - vectors(tiny_compressor(layers=LAYERS))).abs().max() > 1e-2


def test_every_layer_has_an_adapter_beside_each_chosen_matrix() -> None:
    found = {name for name, _ in lora_compressor(target_modules=["q_proj", "down_proj"]).named_parameters()}
    wanted = {
        f"encoder.backbone.layers.{layer}.{matrix}.{part}.default.weight"
        for layer in range(LAYERS)  # the last of them pools
        for matrix in ("self_attn.q_proj", "mlp.down_proj")
        for part in ("lora_A", "lora_B")
    }
    assert {name for name in found if is_lora(name)} == wanted


@pytest.mark.parametrize("train_layers", [None, [-1]])
def test_only_the_adapter_and_the_heads_move(fit: Fit, train_layers: list[int] | None) -> None:
    start = {name: value.clone() for name, value in lora_compressor().state_dict().items()}
    _, module = fit(model=lora_model(), optim=settings(train_layers=train_layers))
    weights = module.model.compressor.state_dict()
    moved = {name for name, value in weights.items() if not torch.equal(value, start[name])}
    chosen = "encoder.backbone.layers." if train_layers is None else f"encoder.backbone.layers.{LAYERS - 1}."
    adapter = {name for name in start if is_lora(name) and name.startswith(chosen)}
    heads = {name for name in start if name.startswith("heads.")} - {"heads.decoder.task_tokens.continue"}
    assert moved == adapter | heads
    assert len(adapter) == 2 * 7 * (LAYERS if train_layers is None else 1)
    encoder = {name for name, p in module.model.compressor.encoder.named_parameters() if p.requires_grad}
    assert {f"encoder.{name}" for name in encoder} == adapter


def test_the_adapter_is_in_the_optimizer_s_group_of_the_encoder() -> None:
    compressor, chosen = lora_model().compressor, settings(encoder_lr=0.125)
    set_trainable(compressor, chosen)
    groups = {group["name"]: group for group in make_optimizer(compressor, chosen, 10)["optimizer"].param_groups}
    assert groups["encoder"]["initial_lr"] == 0.125
    held = {id(p) for p in groups["encoder"]["params"]}
    assert held == {id(p) for name, p in compressor.named_parameters() if is_lora(name)}


def test_memory_tokens_are_trained_beside_the_adapter() -> None:
    module = ArcLightningModule(lora_model(pooling=MemoryTokens(4)), settings())
    assert module.model.compressor.encoder.pooling.embeddings.requires_grad


@pytest.mark.parametrize("family", ["llama", "qwen2", "olmo2", "gemma3"])
def test_what_is_saved_is_an_ordinary_compressor_with_the_same_vectors(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compressor = lora_compressor(family)
    before = {name: value.clone() for name, value in compressor.state_dict().items()}
    compressor.save_pretrained(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "peft", None)  # importing it fails
    loaded = ArcEncoderModel.from_pretrained(tmp_path).eval()
    assert loaded.state_dict().keys() == tiny_compressor(family, layers=LAYERS).state_dict().keys()
    assert_same_vectors(loaded, compressor)
    after = compressor.state_dict()  # the adapter is still apart
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_export_of_a_run_has_the_trained_vectors(fit: Fit, tmp_path: Path) -> None:
    _, module = fit(ExportCompressor(str(tmp_path / "compressor")), model=lora_model())
    trained = module.model.compressor.eval()
    loaded = ArcEncoderModel.from_pretrained(tmp_path / "compressor").eval()
    assert_same_vectors(loaded, trained)


def test_a_model_built_from_settings_starts_from_trained_weights(tmp_path: Path) -> None:
    """`init_from` names a folder without adapter; the adapter comes on top."""
    folder = save_tiny_model(tmp_path / "model")
    decoders = {"decoder": tiny_decoder(seed=7)}

    def built(backbone: Backbone, init_from: Path | None) -> ArcEncoderModel:
        start = None if init_from is None else str(init_from)
        model, _ = build_arc_model(
            backbone, MeanPooling(4), lambda i, o: MLPProjector(i, o, 24), decoders, init_from=start
        )
        return model.compressor.eval()

    plain = built(Backbone(str(folder)), None)
    plain.save_pretrained(tmp_path / "trained")
    adapted = built(Backbone(str(folder), adapter=LoraAdapter(rank=RANK)), tmp_path / "trained")
    torch.testing.assert_close(vectors(adapted), vectors(plain))
    assert sum(is_lora(name) for name in adapted.state_dict()) == 2 * 7 * 2


def test_a_run_that_was_stopped_goes_on_exactly(tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "model")
    chosen = [
        *model_overrides(model), *short_overrides(steps=4), "callbacks.checkpoint.every_n_train_steps=2",
        "model/encoder/adapter=lora", "model.encoder.adapter.rank=4", "model.encoder.adapter.dropout=0.1",
    ]  # fmt: skip
    bomb = ["+callbacks.bomb._target_=tests.e2e.test_resume.Bomb", "+callbacks.bomb.batch=3"]
    run_train(tmp_path / "whole", chosen)
    with pytest.raises(Stopped):
        run_train(tmp_path / "part", [*chosen, *bomb])
    run_train(tmp_path / "part", [*chosen, f"resume={tmp_path / 'part'}"])
    assert set(losses(tmp_path / "whole")) == set(range(4))
    assert losses(tmp_path / "part") == losses(tmp_path / "whole")
    assert_same_weights(tmp_path / "whole", tmp_path / "part")


def test_gradients_reach_the_adapter_of_the_first_and_of_the_pooled_layer() -> None:
    model = lora_model()
    ArcLightningModule(model, settings())
    batch = make_batch([[("plain", [1]), ("context", list(numbers(9))), ("target", list(numbers(3)))]])
    model(batch).loss.backward()
    for name, parameter in model.compressor.encoder.named_parameters():
        assert (parameter.grad is not None) == is_lora(name), name
        assert parameter.grad is None or parameter.grad.any(), name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rank": 0}, "rank=0 must be at least 1"),
        ({"alpha": 0}, "alpha=0 must be positive"),
        ({"dropout": 1.0}, r"dropout=1\.0 must be between 0 and 1"),
        ({"target_modules": []}, "target_modules is empty"),
    ],
)
def test_numbers_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        LoraAdapter(**options)


def test_unknown_matrices_are_named_with_those_that_are_there() -> None:
    compressor = tiny_compressor()
    with pytest.raises(ConfigError, match=r"target_modules proj, wq are not in .*its matrices are q_proj, k_proj, .*"):
        compressor.encoder.attach(LoraAdapter(target_modules=["q_proj", "proj", "wq"]))
    assert not any(is_lora(name) for name in compressor.state_dict())


def test_an_adapter_of_a_frozen_encoder_is_refused() -> None:
    with pytest.raises(ConfigError, match="without train_encoder the encoder's adapter is not trained"):
        ArcLightningModule(lora_model(), settings(train_encoder=False))


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'arc-encoder\[lora\]'"):
        LoraAdapter()
