"""Contexts in one row without padding: the vectors and gradients of padded rows, for every family and pooling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.encoder.chunking import Chunking
from arc_encoder.model.encoder.encoder import PoolingEncoder
from arc_encoder.model.encoder.padding import packing
from arc_encoder.model.encoder.padding.packing import Packed
from arc_encoder.model.encoder.pooling import (
    FusionPooling,
    KMeansPooling,
    LastPooling,
    MeanPooling,
    MemoryTokens,
    Pooling,
)
from arc_encoder.model.language_models.activation_checkpointing import checkpoint_layers
from arc_encoder.tools.bench.training import padding_of
from tests.tiny_models import (
    ENCODER_FAMILIES,
    head_settings,
    make_batch,
    random_contexts,
    tiny_arc_model,
    tiny_body,
    tiny_compressor,
)
from tests.tiny_runs import losses, model_overrides, run_train, save_tiny_model, short_overrides

LENGTHS = [13, 1, 30, 8, 29, 2, 14]


def vectors_and_gradients(model: ArcEncoderModel, lengths: list[int]) -> tuple[Tensor, dict[str, Tensor]]:
    """Vectors that exist, one below the other, and the gradients of the sum of their squares."""
    model.zero_grad()
    vectors, counts = model.encode(*random_contexts(lengths, padding=3))
    real = vectors[torch.arange(vectors.shape[1]) < counts[:, None]]
    real.square().sum().backward()
    return real.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_the_same_packed(model: ArcEncoderModel, lengths: list[int] = LENGTHS) -> None:
    plain, gradients = vectors_and_gradients(model, lengths)
    model.encoder.pack()
    packed, found = vectors_and_gradients(model, lengths)
    torch.testing.assert_close(packed, plain, rtol=1e-4, atol=1e-4)
    assert found.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max()) + 1e-5)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("family", sorted(set(ENCODER_FAMILIES) - {"gemma2"}))
def test_vectors_and_gradients_are_those_of_padded_rows(family: str, causal: bool) -> None:
    assert_the_same_packed(tiny_compressor(family, causal=causal))


@pytest.mark.parametrize(
    "pooling",
    [
        MeanPooling(4, [2, 2]),
        MeanPooling(4, where="block"),
        MeanPooling(4, where="between"),
        LastPooling(4),
        FusionPooling(4),
        KMeansPooling(4),
        MemoryTokens(3),
        MeanPooling(1, [1, 1, 1]),  # no layer is left in front of the pooling blocks
    ],
    ids=lambda pooling: f"{type(pooling).__name__}-{pooling.where}-{pooling.schedule}",
)
def test_so_they_are_for_other_poolings(pooling: Pooling) -> None:
    assert_the_same_packed(tiny_compressor(pooling=pooling))


@pytest.mark.parametrize("lengths", [[9], [7, 7], [1, 2], [5, 40]])
def test_so_they_are_for_one_context_for_equal_ones_and_in_chunks(lengths: list[int]) -> None:
    assert_the_same_packed(tiny_compressor(chunking=Chunking(size=6)), lengths)


def test_so_they_are_with_a_mixture_of_layers_and_activation_checkpointing() -> None:
    body = tiny_body()
    model = ArcEncoderModel.build(body, MeanPooling(3), {"decoder": head_settings(32)}, layer_mix=True)
    assert model.encoder.mix is not None
    nn.init.normal_(model.encoder.mix.weights)
    checkpoint_layers(model.encoder.backbone)
    assert_the_same_packed(model.train())


def test_so_they_are_in_bfloat16_within_its_rounding() -> None:
    model = tiny_compressor()
    found = []
    for _ in range(2):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found.append(vectors_and_gradients(model, LENGTHS)[0].float())
        model.encoder.pack()
    scale = float(found[0].abs().max())
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0.05 * scale)


@torch.no_grad()
@pytest.mark.parametrize("causal", [False, True])
def test_a_context_does_not_see_the_others(causal: bool) -> None:
    model = tiny_compressor(causal=causal)
    model.encoder.pack()
    ids, lengths = random_contexts(LENGTHS)
    before, counts = model.encode(ids, lengths)
    ids[2] = ids[2].flip(0)
    after, _ = model.encode(ids, lengths)
    for context, count in enumerate(counts.tolist()):
        same = torch.equal(before[context, :count], after[context, :count])
        assert same == (context != 2), context


def test_one_row_is_computed_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_compressor()
    model.config.length_buckets = 4
    model.encoder.pack()
    shapes: list[tuple[int, ...]] = []
    model.encoder.backbone.layers[0].register_forward_pre_hook(lambda _, args: shapes.append(tuple(args[0].shape)))
    model.encode(*random_contexts(LENGTHS, padding=3))
    assert shapes == [(1, sum(LENGTHS), 32)]


def test_packing_and_back() -> None:
    lengths = torch.tensor([2, 4, 1])
    padded = torch.arange(1.0, 13).view(3, 4, 1)
    packed = Packed.of(lengths)
    assert packed.documents.tolist() == [0, 0, 1, 1, 1, 1, 2]
    assert packed.positions.tolist() == [[0, 1, 0, 1, 2, 3, 0]]
    row = packed.pack(padded)
    assert row.flatten().tolist() == [1, 2, 5, 6, 7, 8, 9]
    assert packed.unpack(row)[..., 0].tolist() == [[1, 2, 0, 0], [5, 6, 7, 8], [9, 0, 0, 0]]
    angles = packed.positions[..., None].float()
    assert packed.unpack_rotary((angles, -angles))[0].flatten().tolist() == [0, 1, 2, 3]


def test_it_is_no_part_of_what_is_saved(tmp_path: Path) -> None:
    contexts = random_contexts(LENGTHS)
    plain = tiny_compressor()
    plain.save_pretrained(tmp_path / "plain")
    expected = plain(*contexts, "decoder")[0]
    plain.encoder.pack()
    plain.save_pretrained(tmp_path / "packed")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "packed" / name).read_bytes()
    loaded = ArcEncoderModel.from_pretrained(tmp_path / "packed").eval()
    assert not loaded.encoder.packed
    for pack in (False, True):
        if pack:
            loaded.encoder.pack()
        torch.testing.assert_close(loaded(*contexts, "decoder")[0], expected, rtol=1e-4, atol=1e-4)


class Running(nn.Module):
    """A layer with a state: what comes before is added up."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.attention_type = "full_attention"

    def forward(self, hidden: Tensor, **options: Any) -> Tensor:
        output: Tensor = self.layer(hidden, **options)
        return output + hidden.cumsum(1)


def test_a_backbone_that_joins_contexts_is_refused() -> None:
    body: Any = tiny_body()
    body.layers[0] = Running(body.layers[0])
    encoder = PoolingEncoder(body, MeanPooling(4), causal=True)
    with pytest.raises(ConfigError, match=r"LlamaModel cannot read packed contexts: its layers then differ"):
        encoder.pack()
    assert not encoder.packed


@pytest.mark.parametrize(
    ("family", "settings", "why"),
    [
        ("gemma2", {}, "its attention is 'eager'"),
        (
            "qwen2",
            {"layer_types": ["linear_attention", "chunked_attention", "full_attention"]},
            "chunked_attention, lin",
        ),
        ("llama", {"attention_dropout": 0.1}, r"attention_dropout=0.1 is not possible"),
    ],
)
def test_a_backbone_that_cannot_be_packed_is_refused(family: str, settings: dict[str, Any], why: str) -> None:
    encoder = PoolingEncoder(tiny_body(family), MeanPooling(4))
    for name, value in settings.items():
        setattr(encoder.backbone.config, name, value)
    with pytest.raises(ConfigError, match=rf"cannot read packed contexts: .*{why}.* Leave packed switched off"):
        encoder.pack()
    assert not encoder.packed


def test_narrow_heads_are_refused_where_the_kernel_computes() -> None:
    with pytest.raises(ConfigError, match=r"its heads are 8 wide, and the kernel takes 16 or more"):
        packing.check_packable(PoolingEncoder(tiny_body(), MeanPooling(4)).backbone, torch.device("cuda"))


def test_another_attention_chosen_afterwards_is_refused_too() -> None:
    encoder = PoolingEncoder(tiny_body(), MeanPooling(4))
    encoder.pack()
    encoder.backbone.set_attn_implementation("eager")
    with pytest.raises(ConfigError, match=r"its attention is 'eager'"):
        encoder(*random_contexts([3, 5]))


def test_a_training_takes_it_by_one_word_and_another_goes_on_without(tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "model", layers=3)
    words = [*model_overrides(model), *short_overrides(steps=2, batch_size=4), "model.pooling.factor=4"]
    found = {}
    for packed in ("true", "false"):
        run_train(tmp_path / packed, [*words, f"model.packed={packed}"])
        found[packed] = [float(loss) for loss in losses(tmp_path / packed).values()]
    assert found["true"] == pytest.approx(found["false"], rel=1e-3)
    run_train(tmp_path / "next", [*words, f"model.init_from={tmp_path / 'true' / 'compressor'}"])


def test_padding_that_is_measured_is_none() -> None:
    model = tiny_arc_model()
    contexts = [list(range(3, 3 + length)) for length in (5, 9, 2)]
    batch = make_batch([[("context", ids), ("target", [4, 5])] for ids in contexts])
    assert padding_of([batch], model.compressor).encoder_waste == pytest.approx(1 - 16 / 27)
    model.compressor.encoder.pack()
    assert padding_of([batch], model.compressor).encoder_waste == 0
