"""`arc-convert`: released and Hugging Face-style folders, there and back, and its refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from arc_encoder.commands.compressors import convert
from arc_encoder.inference import Compressor
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from tests.commands.conftest import Make
from tests.tiny_models import tiny_compressor
from tests.tiny_runs import Command


@pytest.fixture
def run(make: Make) -> Command:
    return make(convert.main)


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    tiny_compressor(widths={"one": 16, "two": 16}).save_pretrained(tmp_path / "ours")
    return tmp_path / "ours"


def test_there_and_back(run: Command, ours: Path, tiny_model: Path, tmp_path: Path) -> None:
    printed = run(f"input={ours}", "output=theirs", "layout=released")
    assert "decoders one, two" in printed
    assert sorted(path.name for path in (tmp_path / "theirs").iterdir()) == ["bridge_module", "embedder", "params.json"]
    run("input=theirs", "output=back", "decoders=[one,two]", f"tokenizer={tiny_model}")
    first, second = (ArcEncoderModel.from_pretrained(folder).state_dict() for folder in (ours, tmp_path / "back"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert len(Compressor.from_pretrained(tmp_path / "back", decoder_name="two").compress(["a text"])[0]) > 1
    assert len(AutoTokenizer.from_pretrained(tmp_path / "back")) == len(AutoTokenizer.from_pretrained(tiny_model))


def test_without_a_tokenizer_it_says_so(run: Command, ours: Path, tmp_path: Path) -> None:
    run(f"input={ours}", "output=theirs", "layout=released")
    assert "without tokenizer: no tokenizer could be loaded" in run("input=theirs", "output=back", "dtype=bfloat16")
    assert ArcEncoderModel.from_pretrained(tmp_path / "back").dtype is torch.bfloat16


def test_refusals(run: Command, ours: Path, tmp_path: Path) -> None:
    assert "output is missing" in run.fails(f"input={ours}")
    assert "layout=onnx is unknown; choose one of huggingface, released" in run.fails(
        f"input={ours}", "output=x", "layout=onnx"
    )
    assert "dtype=int4 is unknown" in run.fails(f"input={ours}", "output=x", "dtype=int4")
    assert "no ARC-Encoder could be loaded from nowhere/at-all" in run.fails("input=nowhere/at-all", "output=x")
    assert "no ARC-Encoder at './nowhere': there is no such folder" in run.fails("input=./nowhere", "output=x")
    (tmp_path / "x").mkdir()
    assert "x exists already" in run.fails(f"input={ours}", "output=x")
    run(f"input={ours}", "output=x", "layout=released", "overwrite=true")
    assert (tmp_path / "x" / "params.json").is_file()
    (tmp_path / "file").touch()
    assert "cannot be written" in run.fails(f"input={ours}", "output=file/x", "layout=released")
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob("*.new"))
