"""Compressed contexts: kept in a file, and refused by models that they were not made by and for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from arc_encoder.core.errors import CheckpointError, DataError
from arc_encoder.inference import CompressedContext, Compressor
from arc_encoder.inference.encoding.contexts import source_digest

TEXT = "a document of some length, which is read"


@pytest.fixture
def context(compressor: Compressor) -> CompressedContext:
    return compressor.encode([TEXT])[0]


def test_it_knows_where_it_comes_from(context: CompressedContext, compressor: Compressor) -> None:
    assert context.origin.source == source_digest(TEXT)
    assert context.origin.encoder == compressor.fingerprint
    assert context.origin.decoder == compressor.model.config.heads["d"]["decoder"]["weights"]
    assert context.origin.factor == 4
    assert context.origin.tokens == len(TEXT)  # bytes
    assert len(context) == -(-len(TEXT) // 4) + 1  # and the task token
    assert context.ratio == len(TEXT) / len(context)
    torch.testing.assert_close(context.norms, context.vectors.norm(dim=-1))


def test_it_comes_back_bit_for_bit(context: CompressedContext, tmp_path: Path) -> None:
    context.save(tmp_path / "a.safetensors")
    loaded = CompressedContext.load(tmp_path / "a.safetensors")
    assert loaded.origin == context.origin
    assert torch.equal(loaded.vectors, context.vectors)
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_the_fingerprint_is_the_same_in_bfloat16(folder: Path, compressor: Compressor) -> None:
    assert Compressor.from_pretrained(folder, dtype="bfloat16").fingerprint == compressor.fingerprint


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"encoder": "0" * 64}, "made by another ARC-Encoder"),
        ({"decoder": "0" * 64}, "made for decoder 'd' \\(000000000000\\)"),
        ({"decoder_name": "e"}, "made for decoder 'e'"),
    ],
)
def test_another_model_is_refused_by_name(
    context: CompressedContext, compressor: Compressor, other: dict[str, str], told: str
) -> None:
    strange = replace(context, origin=replace(context.origin, **other))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match=told):
        compressor.generate([[strange, "?"]])
    with pytest.raises(CheckpointError, match=told):
        compressor.ask(strange, ["what?"])


def test_another_file_is_refused(tmp_path: Path) -> None:
    save_file({"vectors": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"123")
    with pytest.raises(CheckpointError, match="holds no compressed context"):
        CompressedContext.load(tmp_path / "other.safetensors")
    for name in ("cut.safetensors", "missing.safetensors"):
        with pytest.raises(CheckpointError, match=f"could be read from .*{name}"):
            CompressedContext.load(tmp_path / name)


def test_a_folder_that_cannot_be_written(context: CompressedContext, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        context.save(tmp_path / "file" / "a.safetensors")
