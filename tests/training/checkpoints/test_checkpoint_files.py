"""Checkpoint files: a failed write leaves the one before as it was, and damage is found before training."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from arc_encoder.core.errors import CheckpointError
from arc_encoder.training.checkpoints import checkpoint_files
from arc_encoder.training.checkpoints.checkpoint_files import (
    AtomicCheckpointIO,
    checkpoint_step,
    list_checkpoints,
    newest_valid,
    sweep_unfinished,
    validate_checkpoint,
)


def content(step: int = 3, size: int = 50_000) -> dict[str, Any]:
    return {"global_step": step, "loops": {}, "state_dict": {"weight": torch.arange(size, dtype=torch.float32) + step}}


def save(path: Path, step: int = 3, *, age: int = 0) -> Path:
    AtomicCheckpointIO().save_checkpoint(content(step), path)
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return path


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = save(tmp_path / "new" / "step=3.ckpt")
    loaded = AtomicCheckpointIO().load_checkpoint(path, weights_only=True)
    assert torch.equal(loaded["state_dict"]["weight"], content()["state_dict"]["weight"])
    assert validate_checkpoint(path) is None
    assert checkpoint_step(path) == 3
    assert os.listdir(path.parent) == ["step=3.ckpt"]


class FullDisk:
    """A file on a disk with room for so many bytes more."""

    def __init__(self, file: Any, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: Any) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return int(self.file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 100, 100_000])
def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    good, target = save(tmp_path / "step=3.ckpt"), tmp_path / "step=6.ckpt"
    before = good.read_bytes()
    write = torch.save
    monkeypatch.setattr(checkpoint_files.torch, "save", lambda what, file: write(what, FullDisk(file, room)))
    with pytest.raises(CheckpointError) as caught:
        AtomicCheckpointIO().save_checkpoint(content(6), target)
    assert f"{target} could not be written (No space left on device); the last good one is {good}" in str(caught.value)
    assert (caught.value.advice, caught.value.facts["checkpoint"]) == ("resume", good)
    assert os.listdir(tmp_path) == ["step=3.ckpt"]
    assert good.read_bytes() == before
    with pytest.raises(CheckpointError):  # in the place of the only one
        AtomicCheckpointIO().save_checkpoint(content(6), good)
    assert good.read_bytes() == before


def test_a_limit_of_the_system_is_a_full_disk_too(tmp_path: Path) -> None:
    """The real thing, in a process that may write no file above 100 kB."""
    script = f"""
import resource, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.training.checkpoints.test_checkpoint_files import content, save
from arc_encoder.core.errors import CheckpointError
from arc_encoder.training.checkpoints.checkpoint_files import AtomicCheckpointIO
save(Path("step=3.ckpt"))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    AtomicCheckpointIO().save_checkpoint(content(6), Path("step=6.ckpt"))
except CheckpointError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "step=6.ckpt could not be written (File too large); the last good one is step=3.ckpt" in done.stdout
    assert os.listdir(tmp_path) == ["step=3.ckpt"]
    assert validate_checkpoint(tmp_path / "step=3.ckpt") is None


def test_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="there is no earlier one; make room"):
        AtomicCheckpointIO().save_checkpoint(content(), tmp_path / "file" / "step=3.ckpt")


def test_what_is_no_disk_error_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"pickle|local object"):
        AtomicCheckpointIO().save_checkpoint({"function": lambda: None}, tmp_path / "step=3.ckpt")
    assert os.listdir(tmp_path) == []


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".step=3.ckpt.17.part").touch()  # of a process that was killed
    (tmp_path / "other.part").touch()
    sweep_unfinished(tmp_path)
    assert os.listdir(tmp_path) == ["other.part"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: b"", "empty"),
        (lambda data: data[: len(data) // 2], "cut off"),
        (lambda data: data[:-1], "cut off"),
        (lambda data: data[:100_000] + bytes([data[100_000] ^ 1]) + data[100_001:], "checksum"),
        (lambda data: b"no archive at all" * 100, "no checkpoint at all"),
        (lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2), "cut off"),
    ],
    ids=["empty", "half", "one byte less", "one bit flipped", "another format", "zeros after a power cut"],
)
def test_damage_is_found(tmp_path: Path, spoil: Any, words: str) -> None:
    path = save(tmp_path / "step=3.ckpt")
    path.write_bytes(spoil(path.read_bytes()))
    fault = validate_checkpoint(path)
    assert fault is not None
    assert words in fault


def test_a_flipped_bit_would_pass_without_the_check(tmp_path: Path) -> None:
    path = save(tmp_path / "step=3.ckpt")
    data = bytearray(path.read_bytes())
    data[100_000] ^= 1
    path.write_bytes(data)
    loaded = torch.load(path, weights_only=True)
    assert not torch.equal(loaded["state_dict"]["weight"], content()["state_dict"]["weight"])


def test_no_bit_of_a_file_can_be_flipped_unseen(tmp_path: Path) -> None:
    """Whatever is not found must load as what was saved: only padding between entries may go unseen."""
    path = tmp_path / "step=3.ckpt"
    AtomicCheckpointIO().save_checkpoint(content(size=50), path)
    data, unseen = path.read_bytes(), 0
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        if validate_checkpoint(path) is None:
            unseen += 1
            loaded = torch.load(path, weights_only=True)
            assert torch.equal(loaded["state_dict"]["weight"], content(size=50)["state_dict"]["weight"]), place
            assert loaded["global_step"] == 3
    assert unseen < len(data) / 7


def test_code_is_not_run_by_the_check(tmp_path: Path) -> None:
    path = tmp_path / "step=3.ckpt"
    torch.save({"call": Trap(tmp_path / "sprung")}, path)
    assert "Weights only load failed" in str(validate_checkpoint(path))
    assert not (tmp_path / "sprung").exists()


class Trap:
    """Pickled as a call that makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_a_sharded_checkpoint_is_whole_when_its_last_file_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "step=3.ckpt"
    folder.mkdir()
    assert validate_checkpoint(folder) == "meta.pt is missing"
    torch.save(content(), folder / "meta.pt")
    assert validate_checkpoint(folder) is None
    assert checkpoint_step(folder) == 3


def test_the_newest_is_the_one_written_last(tmp_path: Path) -> None:
    for age, step in enumerate((9, 10, 2)):
        save(tmp_path / f"step={step}.ckpt", step, age=age)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step=9.ckpt", "step=10.ckpt", "step=2.ckpt"]
    (tmp_path / "step=9.ckpt").write_bytes(b"")
    os.utime(tmp_path / "step=9.ckpt", (2_000_000, 2_000_000))
    assert newest_valid(tmp_path) == tmp_path / "step=10.ckpt"
    assert newest_valid(tmp_path / "nowhere") is None


def test_weights_alone_are_no_checkpoint_of_a_training(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / "weights.ckpt")
    with pytest.raises(CheckpointError, match=r"no checkpoint of a training.*model\.init_from"):
        checkpoint_step(tmp_path / "weights.ckpt")
