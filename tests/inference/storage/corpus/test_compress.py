"""Compressing files as one function."""

from __future__ import annotations

from pathlib import Path

import pytest

import arc_encoder
from arc_encoder.core.errors import ConfigError
from arc_encoder.inference import Compressor
from arc_encoder.inference.storage import VectorStore
from arc_encoder.inference.storage.corpus.compress import compress


@pytest.fixture
def files(tmp_path: Path) -> str:
    (tmp_path / "one.txt").write_text("one two three four five six seven eight")
    (tmp_path / "two.txt").write_text("nine ten")
    return str(tmp_path / "*.txt")


def test_files_become_a_store_and_done_ones_are_not_done_again(
    compressor: Compressor, files: str, tmp_path: Path
) -> None:
    first = compress(compressor, files, tmp_path / "store", factor=2, progress=False)
    again = compress(lambda: compressor, files, tmp_path / "store", factor=2, progress=False)
    assert (first.compressed, first.done_before) == (2, 0)
    assert (again.compressed, again.done_before) == (0, 2)
    store = VectorStore(tmp_path / "store")
    assert sorted(store) == sorted(map(str, tmp_path.glob("*.txt")))
    assert sum(len(store[id]) for id in store) == first.vectors


def test_files_become_one_file(compressor: Compressor, files: str, tmp_path: Path) -> None:
    outcome = compress(compressor, files, tmp_path / "all.safetensors", progress=False)
    assert outcome.compressed == 2
    with pytest.raises(ConfigError, match="exists already") as raised:
        compress(compressor, files, tmp_path / "all.safetensors", progress=False)
    assert raised.value.advice == "overwrite"
    compress(compressor, files, tmp_path / "all.safetensors", overwrite=True, progress=False)


def test_fidelity_needs_a_store(compressor: Compressor, files: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fidelity"):
        compress(compressor, files, tmp_path / "all.safetensors", fidelity=True, progress=False)


def test_it_stands_at_the_top_of_the_package() -> None:
    assert arc_encoder.compress is compress
