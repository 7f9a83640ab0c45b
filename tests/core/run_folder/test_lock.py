"""One command a run's folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from arc_encoder.commands.experiments import train
from arc_encoder.core.errors import ConfigError
from arc_encoder.core.run_folder.lock import NAME, check_unlocked, lock_run_folder
from tests.commands.conftest import Make
from tests.tiny_runs import model_overrides, short_overrides

HOLD = """
import sys
from pathlib import Path
from arc_encoder.core.run_folder.lock import lock_run_folder
with lock_run_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_second_one_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    check_unlocked(tmp_path / "run")  # nothing there yet
    assert not (tmp_path / "run").exists()
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    told = f"another process is at work in {tmp_path / 'run'}"
    with pytest.raises(ConfigError, match=told):
        check_unlocked(tmp_path / "run")
    with pytest.raises(ConfigError, match=told), lock_run_folder(tmp_path / "run"):
        raise AssertionError
    other.kill()  # whatever ends it
    other.communicate()
    check_unlocked(tmp_path / "run")
    with lock_run_folder(tmp_path / "run"):
        pass


def test_further_processes_of_a_run_are_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with lock_run_folder(tmp_path):
        check_unlocked(tmp_path)


def test_a_training_refuses_a_folder_in_use_and_changes_nothing_there(
    make: Make, tiny_model: Path, tmp_path: Path
) -> None:
    run = make(train.main)
    words = [*model_overrides(tiny_model), *short_overrides(steps=2), "hydra.run.dir=run"]
    printed = run(*words)
    assert f"run: {tmp_path / 'run'}" in printed
    assert f"trained compressor: {tmp_path / 'run' / 'compressor'}" in printed
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "run").rglob("*") if file.name != NAME}
    with lock_run_folder(tmp_path / "run"):
        assert "another process is at work in run" in run.fails(*words, "seed=5")
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "run").rglob("*") if file.name != NAME} == before


def test_a_refused_training_leaves_the_words_of_the_earlier_one(make: Make, tiny_model: Path, tmp_path: Path) -> None:
    run = make(train.main)
    words = [*model_overrides(tiny_model), *short_overrides(steps=2), "hydra.run.dir=run"]
    run(*words, "seed=3")
    before = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}
    assert "- seed=3\n" in (tmp_path / "run" / "hydra" / "overrides.yaml").read_text()
    assert "holds the checkpoints of an earlier run" in run.fails(*words, "seed=5")
    assert {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()} == before
    run("--resume", "run")
    assert "- seed=3\n" in (tmp_path / "run" / "hydra" / "overrides.yaml").read_text()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"), lock_run_folder(tmp_path / "file" / "run"):
        raise AssertionError
