"""Compressing files as one function."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors import SafetensorError

import arc_encoder
from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.inference import Compressor
from arc_encoder.inference.storage import VectorStore
from arc_encoder.inference.storage.corpus import single_file
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


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError("I/O error: os error 28")])
def test_a_full_disk_is_told_and_the_earlier_file_stays(
    compressor: Compressor, files: str, tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(tensors: object, path: Path, **options: object) -> None:
        path.write_bytes(b"half")
        raise error

    target = tmp_path / "all.safetensors"
    target.write_bytes(b"earlier")
    monkeypatch.setattr(single_file, "save_file", full)
    with pytest.raises(DataError, match=r"all.safetensors cannot be written \("):
        compress(compressor, files, target, overwrite=True, progress=False)
    assert target.read_bytes() == b"earlier"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["all.safetensors", "one.txt", "two.txt"]


@pytest.mark.parametrize("name", ["all.safetensors", "store"])
def test_one_process_fills_a_place_at_a_time(
    compressor: Compressor, files: str, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, told = tmp_path / name, []

    def load() -> Compressor:  # while this is loaded another one begins
        with pytest.raises(ConfigError, match="another process is making") as raised:
            compress(compressor, files, target, factor=2, overwrite=True, progress=False)
        told.append(raised)
        return compressor

    compress(load, files, target, progress=False)
    assert told
    assert not list(tmp_path.rglob(".*.lock"))
    compress(compressor, files, target, factor=2, overwrite=True, progress=False)
    monkeypatch.setenv("RANK", "1")  # one of several that share the work, let in by the first
    if name == "store":
        compress(lambda: compressor, files, target, progress=False)


def test_fidelity_needs_a_store(compressor: Compressor, files: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fidelity"):
        compress(compressor, files, tmp_path / "all.safetensors", fidelity=True, progress=False)


def test_it_stands_at_the_top_of_the_package() -> None:
    assert arc_encoder.compress is compress
