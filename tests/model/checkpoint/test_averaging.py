"""The mean of several trained ARC-Encoders."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.checkpoint.convert import convert
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from tests.tiny_models import tiny_compressor, tiny_tokenizer


def saved(folder: Path, *, shift: float = 0.0, width: int = 32) -> str:
    model = tiny_compressor(widths={"toy": width})
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.add_(shift * (number + 1))
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)


def test_every_weight_is_the_mean(tmp_path: Path) -> None:
    folders = [saved(tmp_path / str(shift), shift=shift) for shift in (0.0, 0.1, 0.5)]
    convert(folders[0], tmp_path / "mean", average_with=folders[1:])
    first, mean = (ArcEncoderModel.from_pretrained(each) for each in (folders[0], tmp_path / "mean"))
    wanted = [weight + 0.2 * (number + 1) for number, weight in enumerate(first.parameters())]
    for weight, expected in zip(mean.parameters(), wanted, strict=True):
        assert torch.allclose(weight, expected, atol=1e-6)
    assert mean.config.heads == first.config.heads


def test_another_architecture_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    first, wider = saved(tmp_path / "first"), saved(tmp_path / "wider", width=48)
    with pytest.raises(CheckpointError, match=f"{wider} is of another architecture.*cannot be averaged"):
        convert(first, tmp_path / "mean", average_with=[wider])
    with pytest.raises(CheckpointError, match="no ARC-Encoder at"):
        convert(first, tmp_path / "mean", average_with=[str(tmp_path / "nowhere")])
    assert not (tmp_path / "mean").exists()
