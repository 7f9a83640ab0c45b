"""A folder is put in place atomically, once."""

from __future__ import annotations

import errno
import logging
import shutil
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.language_models.downloads import whole
from arc_encoder.model.language_models.downloads.whole import build_folder


def write(folder: Path) -> None:
    (folder / "config.json").write_text("{}")


def visible(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.suffix != ".lock")


def test_made_once(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(fresh: Path) -> None:
        made.append(fresh)
        write(fresh)

    folder = tmp_path / "models" / "one"
    assert build_folder(folder, make, room=1) == folder
    assert build_folder(folder, make, room=1) == folder
    assert len(made) == 1
    build_folder(folder, make, room=1, again=True)
    assert len(made) == 2
    assert visible(folder.parent) == ["one"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, CheckpointError("bad file"), MemoryError])
def test_what_is_half_finished_goes_away(error: type[BaseException] | BaseException, tmp_path: Path) -> None:
    def make(fresh: Path) -> None:
        write(fresh)
        raise error

    with pytest.raises(type(error) if isinstance(error, BaseException) else error):
        build_folder(tmp_path / "one", make, room=1)
    assert visible(tmp_path) == []


def test_a_failed_replacement_leaves_the_old_one(tmp_path: Path) -> None:
    build_folder(tmp_path / "one", write, room=1)

    def make(fresh: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_folder(tmp_path / "one", make, room=1, again=True)
    assert visible(tmp_path) == ["one"]
    assert visible(tmp_path / "one") == ["config.json"]


def test_leftovers_of_a_killed_process_go_away(tmp_path: Path) -> None:
    (tmp_path / ".one.part").mkdir()
    (tmp_path / ".one.part" / "model.safetensors").write_text("half")
    build_folder(tmp_path / "one", write, room=1)
    assert visible(tmp_path / "one") == ["config.json"]
    assert visible(tmp_path) == ["one"]


def test_too_little_room_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=3_000_000))
    with pytest.raises(CheckpointError, match=r"has 3 MB free, but 500 MB are needed; make room, or set .* ARC_MODELS"):
        build_folder(tmp_path / "one", write, room=500_000_000)
    assert visible(tmp_path) == []


def test_a_disk_that_fills_up_meanwhile(tmp_path: Path) -> None:
    def make(fresh: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(CheckpointError, match=r"cannot be written \(No space left on device\); make room, or set"):
        build_folder(tmp_path / "one", make, room=1)
    assert visible(tmp_path) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"cannot be written .*ARC_MODELS to another folder"):
        build_folder(tmp_path / "file" / "one", write, room=1)


def test_two_processes_make_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(whole, "PATIENCE", 0.05)
    folder, made = tmp_path / "one", []
    held = threading.Event()

    def other() -> None:
        with FileLock(tmp_path / ".one.lock"):
            held.set()
            time.sleep(0.4)
            folder.mkdir()
            write(folder)

    process = threading.Thread(target=other)
    process.start()
    held.wait()
    with caplog.at_level(logging.WARNING):
        build_folder(folder, made.append, room=1)
    process.join()
    assert made == []
    assert "another process is making" in caplog.text
