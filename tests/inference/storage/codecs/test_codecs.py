"""How vectors are kept; every codec is found by its base class."""

from __future__ import annotations

import json

import pytest
import torch

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.inference.storage import Codec, FloatCodec, Int8Codec, ProductCodec

CODECS: list[tuple[Codec, float]] = [  # and how far off a decoded vector may be, of its largest value
    (FloatCodec("float32"), 0.0),
    (FloatCodec("float16"), 2**-11),
    (FloatCodec("bfloat16"), 2**-8),
    (Int8Codec(), 0.5 / 127 + 1e-6),
]
LEARNING = {"ProductCodec"}  # tried below: these lose what they must, and learn first


def test_every_codec_is_tried() -> None:
    assert {type(codec).__name__ for codec, _ in CODECS} | LEARNING == set(Codec.registry)


@pytest.mark.parametrize(("codec", "off"), CODECS, ids=["float32", "float16", "bfloat16", "int8"])
def test_vectors_come_back(codec: Codec, off: float) -> None:
    vectors = torch.randn(50, 16, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, 50)[:, None]
    rows = codec.encode(vectors)
    assert all(len(tensor) == 50 for tensor in rows.values())
    decoded = codec.decode(rows).float()
    assert ((decoded - vectors).abs() <= off * vectors.abs().amax(-1, keepdim=True) + 1e-30).all()
    part = codec.decode({name: tensor[7:9] for name, tensor in rows.items()})
    assert torch.equal(part.float(), decoded[7:9])
    assert torch.equal(codec.decode(codec.encode(torch.zeros(1, 16))).float(), torch.zeros(1, 16))
    again = Codec.from_settings(type(codec).__name__, json.loads(json.dumps(codec.settings())))
    assert again.settings() == codec.settings()


def spanning(width: int, dimensions: int, count: int = 4000) -> torch.Tensor:
    """Vectors that span `dimensions` of `width`, those of a projector with a bottleneck."""
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(count, dimensions, generator=generator)
    return states @ torch.randn(dimensions, width, generator=generator) + 2


@pytest.fixture(scope="module")
def products() -> dict[float, ProductCodec]:
    pytest.importorskip("faiss")
    codecs = {bits: ProductCodec(bits) for bits in (0.5, 1, 2)}
    for codec in codecs.values():
        codec.fit(spanning(48, 32))
    return codecs


def test_more_bits_lose_less(products: dict[float, ProductCodec]) -> None:
    vectors = spanning(48, 32)
    lost = []
    for bits, codec in products.items():
        rows = codec.encode(vectors)
        assert rows["codes"].shape == (
            len(vectors),
            32 * bits / 8,
        )  # of the bottleneck's dimensions, not of the decoder's
        off = codec.decode(rows) - vectors
        lost.append(float(off.square().sum() / (vectors - vectors.mean(0)).square().sum()))
    for bits, share in zip(products, lost, strict=True):
        assert share < 4**-bits * 1.35, bits  # what a source of that variance loses at best is 4^-bits
    assert lost == sorted(lost, reverse=True)


def test_codes_are_the_nearest_centroids(products: dict[float, ProductCodec]) -> None:
    codec, vectors = products[2], spanning(48, 32)[:100]
    learned = codec.learned()
    turned = (vectors - learned["mean"]) @ learned["into"]
    pieces = turned.unflatten(-1, (len(learned["centroids"]), -1))
    nearest = torch.stack(
        [torch.cdist(pieces[:, p], learned["centroids"][p]).argmin(-1) for p in range(pieces.shape[1])], dim=-1
    )
    assert torch.equal(codec.encode(vectors)["codes"].long(), nearest)
    again = ProductCodec(2)
    again.set_learned(learned)
    assert torch.equal(again.decode(again.encode(vectors)), codec.decode(codec.encode(vectors)))


def test_what_a_codec_cannot_learn_from_is_refused() -> None:
    pytest.importorskip("faiss")
    with pytest.raises(ConfigError, match="at least 1024 vectors, and the first block has 3"):
        ProductCodec().fit(torch.randn(3, 8))
    with pytest.raises(ConfigError, match="not finite"):
        ProductCodec().fit(torch.full((2000, 8), float("nan")))
    with pytest.raises(ConfigError, match="not learned anything yet"):
        ProductCodec().encode(torch.randn(3, 8))
    with pytest.raises(ConfigError, match="bits=0 must be above 0"):
        ProductCodec(0)
    same = ProductCodec()
    same.fit(torch.ones(2000, 8))
    assert torch.allclose(same.decode(same.encode(torch.ones(2, 8))), torch.ones(2, 8))


def test_what_cannot_be_kept_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not fit float16"):
        FloatCodec("float16").encode(torch.full((1, 2), 1e6))
    with pytest.raises(ConfigError, match="dtype='int4' is unknown"):
        FloatCodec("int4")
    with pytest.raises(CheckpointError, match=r"codec .Zip. is unknown here.*FloatCodec, Int8Codec"):
        Codec.from_settings("Zip", {})


def test_fewer_vectors_than_dimensions_are_refused() -> None:
    pytest.importorskip("faiss")
    with pytest.raises(ConfigError, match="1100 vectors of 1200 numbers are too few"):
        ProductCodec().fit(torch.randn(1100, 1200))
