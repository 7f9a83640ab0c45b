"""Changes to a decoder for baselines: they count inside the model alone, are trained and saved, and leave the weights as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.assembly.build import head_settings
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.decoder.load import FrozenDecoder
from arc_encoder.model.encoder.pooling import MeanPooling
from arc_encoder.model.heads.decoder_adapter import DecoderAdapter, DecoderLora
from arc_encoder.model.heads.projectors import MLPProjector
from arc_encoder.training.optim.optimizer import OptimSettings, make_optimizer
from tests.tiny_models import WIDTH, make_batch, numbers, tiny_body, tiny_decoder

SAMPLES = [
    [("plain", [1, *numbers(3, 1)]), ("context", list(numbers(13, 2))), ("target", list(numbers(4, 3)))],
    [("plain", [1]), ("context", list(numbers(6, 4))), ("target", list(numbers(5, 5)))],
]


def model(decoder: FrozenDecoder, *, rank: int = 4, filled: bool = False) -> ArcForCausalLM:
    torch.manual_seed(0)
    changes = DecoderLora(rank=rank, alpha=8).settings_for(decoder.model)
    settings = head_settings(MLPProjector(WIDTH, decoder.width, 16), True, changes)
    compressor = ArcEncoderModel.build(tiny_body(), MeanPooling(4), {"decoder": settings})
    if filled:
        adapter = compressor.head("decoder").adapter
        assert adapter is not None
        for b in adapter.b:
            nn.init.normal_(b, std=0.1)
    return ArcForCausalLM(compressor, {"decoder": decoder}).eval()


def batch() -> ArcBatch:
    made: ArcBatch = make_batch(SAMPLES)
    return made


def logits_of(decoder: FrozenDecoder) -> Tensor:
    ids = torch.tensor([numbers(9, 7)])
    return decoder.model(ids).logits


@torch.no_grad()
def test_a_fresh_adapter_changes_nothing_and_a_trained_one_is_the_sum_of_the_matrices() -> None:
    decoder = tiny_decoder(seed=7)
    before = logits_of(decoder)
    fresh, filled = model(decoder), model(decoder, filled=True)
    plain = float(fresh(batch()).loss)
    changed = float(filled(batch()).loss)
    assert plain != pytest.approx(changed, abs=1e-3)
    assert torch.equal(logits_of(decoder), before)  # outside the model nothing is changed
    merged = tiny_decoder(seed=7)
    adapter = filled.compressor.head("decoder").adapter
    assert adapter is not None
    modules: dict[str, Any] = dict(merged.model.named_modules())
    for name, a, b in zip(adapter.names, adapter.a, adapter.b, strict=True):
        modules[name].weight += adapter.scale * (b @ a)
    same = ArcForCausalLM(filled.compressor, {"decoder": merged})
    filled.compressor.head("decoder").adapter = None
    assert float(same(batch()).loss) == pytest.approx(changed, abs=1e-5)


def test_only_the_changes_are_trained_and_the_decoder_stays_as_it_was() -> None:
    decoder = tiny_decoder(seed=7)
    made = model(decoder, filled=True).train()
    fingerprint = decoder.fingerprint()
    optimizer = make_optimizer(made.compressor, OptimSettings(projector_lr=1e-2, warmup_steps=0), 4)["optimizer"]
    names = {group["name"] for group in optimizer.param_groups}
    assert "decoder_adapter" in {name.split(":")[0].split("/")[0] for name in names}
    adapter = made.compressor.head("decoder").adapter
    assert adapter is not None
    before = [p.detach().clone() for p in adapter.parameters()]
    made(batch()).loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in adapter.parameters())
    optimizer.step()
    assert all(not torch.equal(p, old) for p, old in zip(adapter.parameters(), before, strict=True))
    assert decoder.fingerprint() == fingerprint
    assert all(p.grad is None for p in decoder.model.parameters())


def test_answers_come_from_the_changed_decoder() -> None:
    decoder = tiny_decoder(seed=7)
    prompts = make_batch([[("plain", [1, *numbers(3, 1)]), ("context", list(numbers(13, 2)))]])
    plain = model(decoder).generate(prompts, max_new_tokens=12)
    changed = model(decoder, filled=True)
    assert changed.decoder_modified
    assert changed.generate(prompts, max_new_tokens=12) != plain


def test_a_saved_one_comes_back(tmp_path: Path) -> None:
    decoder = tiny_decoder(seed=7)
    made = model(decoder, filled=True)
    made.compressor.save_pretrained(tmp_path)
    loaded = ArcForCausalLM(ArcEncoderModel.from_pretrained(tmp_path), {"decoder": decoder}).eval()
    with torch.no_grad():
        assert float(loaded(batch()).loss) == pytest.approx(float(made(batch()).loss), abs=1e-6)
    assert loaded.decoder_modified


def test_mistakes_are_named() -> None:
    decoder = tiny_decoder(seed=7)
    with pytest.raises(
        ConfigError, match=r"target_modules c_attn are not in LlamaForCausalLM; its matrices are down_proj"
    ):
        DecoderLora(target_modules=["c_attn"]).settings_for(decoder.model)
    with pytest.raises(ConfigError, match="rank=0"):
        DecoderLora(rank=0)
    with pytest.raises(ConfigError, match="target_modules is empty"):
        DecoderLora(target_modules=[])
    adapter = DecoderAdapter(2, 4, {"model.layers.9.self_attn.q_proj": (8, 8)})
    with pytest.raises(
        CheckpointError, match=r"a matrix model\.layers\.9\.self_attn\.q_proj of 8 inputs .* another decoder"
    ):
        adapter.check("decoder", decoder.model)


def test_the_method_itself_has_none() -> None:
    from tests.tiny_models import tiny_arc_model

    assert not tiny_arc_model().decoder_modified
