"""Files and directories appear atomically, whatever interrupts their writer."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from arc_encoder.core import atomic
from arc_encoder.core.atomic import atomic_directory, atomic_file, atomic_path, recover_directory, write_text_atomically


class Killed(BaseException):
    """What stands for SIGKILL: nothing catches it."""


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_a_file_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.txt"
    for text in ("one", "zwei ü"):
        write_text_atomically(target, text)
        assert target.read_text(encoding="utf-8") == text
    with atomic_file(target) as file:
        file.write(b"three")
        assert target.read_text(encoding="utf-8") == "zwei ü"
    assert target.read_bytes() == b"three"
    assert names(target.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device"), Killed()])
def test_a_file_that_is_not_finished_leaves_the_earlier_one(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"before")

    def write() -> None:
        with atomic_file(target) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert target.read_bytes() == b"before"
    assert names(tmp_path) == ["a"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    host = socket.gethostname()
    left = tmp_path / f".a [1].{host}.{ended.pid}.part"
    others = [
        ".a [1].elsewhere.1.part",
        f".a [1].{host}.{os.getppid()}.part",
        f".a [1].{host}.x.part",
        f".b.{host}.{ended.pid}.part",
    ]
    for name in (left.name, *others):
        (tmp_path / name).touch()
    write_text_atomically(tmp_path / "a [1]", "whole")
    assert names(tmp_path) == sorted(["a [1]", *others])


def test_a_file_that_was_never_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        pass
    assert names(tmp_path) == []


def fill(folder: Path, text: str) -> None:
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a").write_text(text)


def test_a_directory_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "more" / "d"
    for text in ("one", "two"):
        with atomic_directory(target) as fresh:
            fill(fresh, text)
        assert (target / "deep" / "a").read_text() == text
        assert names(target.parent) == ["d"]


@pytest.mark.parametrize("moment", ["writing", "between", "after"])
def test_a_writer_that_was_killed_is_cleared_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    target = tmp_path / "d"
    fill(target, "one")
    replace, calls = os.replace, []

    def killed_at_second(*paths: Path) -> None:
        calls.append(paths)
        if len(calls) == 2:
            raise Killed
        replace(*paths)

    def write() -> None:
        with atomic_directory(target) as fresh:
            fill(fresh, "two")
            if moment == "writing":
                raise Killed

    with monkeypatch.context() as patch:
        if moment == "between":
            patch.setattr(atomic.os, "replace", killed_at_second)
        elif moment == "after":
            patch.setattr(atomic.shutil, "rmtree", lambda *_, **__: None)
        if moment == "after":
            write()
        else:
            with pytest.raises(Killed):
                write()
    assert names(tmp_path) != ["d"]
    (tmp_path / "d.old").mkdir()  # the user's own
    recover_directory(target)
    assert names(tmp_path) == ["d", "d.old"]
    assert (target / "deep" / "a").read_text() == ("one" if moment == "writing" else "two")


def test_a_directory_that_fails_leaves_the_earlier_one(tmp_path: Path) -> None:
    target = tmp_path / "d"
    fill(target, "one")

    def write() -> None:
        with atomic_directory(target) as fresh:
            fill(fresh, "two")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write()
    assert names(tmp_path) == ["d"]
    assert (target / "deep" / "a").read_text() == "one"


def test_files_are_readable_as_the_umask_says(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        with atomic_path(tmp_path / "file.safetensors") as part:
            part.touch(mode=0o600)
        with atomic_directory(tmp_path / "folder") as fresh:
            fresh.mkdir()
            (fresh / "model.safetensors").touch(mode=0o600)
    finally:
        os.umask(umask)
    for file in (tmp_path / "file.safetensors", tmp_path / "folder" / "model.safetensors"):
        assert file.stat().st_mode & 0o777 == 0o644
