"""How vectors are kept; every codec is found by its base class."""

from __future__ import annotations

import json

import pytest
import torch

from arc_encoder.errors import CheckpointError, ConfigError
from arc_encoder.storage import Codec, FloatCodec, Int8Codec

CODECS: list[tuple[Codec, float]] = [  # and how far off a decoded vector may be, of its largest value
    (FloatCodec("float32"), 0.0),
    (FloatCodec("float16"), 2**-11),
    (FloatCodec("bfloat16"), 2**-8),
    (Int8Codec(), 0.5 / 127 + 1e-6),
]


def test_every_codec_is_tried() -> None:
    assert {type(codec).__name__ for codec, _ in CODECS} == set(Codec.registry)


@pytest.mark.parametrize(("codec", "off"), CODECS, ids=["float32", "float16", "bfloat16", "int8"])
def test_vectors_come_back(codec: Codec, off: float) -> None:
    vectors = torch.randn(50, 16, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, 50)[:, None]
    rows = codec.encode(vectors)
    assert all(len(tensor) == 50 for tensor in rows.values())
    assert sum(tensor.nbytes for tensor in rows.values()) == 50 * codec.bytes_of(16)
    decoded = codec.decode(rows).float()
    assert ((decoded - vectors).abs() <= off * vectors.abs().amax(-1, keepdim=True) + 1e-30).all()
    part = codec.decode({name: tensor[7:9] for name, tensor in rows.items()})
    assert torch.equal(part.float(), decoded[7:9])
    assert torch.equal(codec.decode(codec.encode(torch.zeros(1, 16))).float(), torch.zeros(1, 16))
    again = Codec.from_settings(type(codec).__name__, json.loads(json.dumps(codec.settings())))
    assert again.settings() == codec.settings()


def test_what_cannot_be_kept_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not fit float16"):
        FloatCodec("float16").encode(torch.full((1, 2), 1e6))
    with pytest.raises(ConfigError, match="dtype='int4' is unknown"):
        FloatCodec("int4")
    with pytest.raises(CheckpointError, match=r"codec .Zip. is unknown here.*FloatCodec, Int8Codec"):
        Codec.from_settings("Zip", {})
