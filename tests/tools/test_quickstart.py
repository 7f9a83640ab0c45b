"""The quickstart's link to its newest run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.io_wrapper import GetLogdirSubdirectories

from arc_encoder.core.errors import ConfigError
from arc_encoder.tools.quickstart import point_to


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two runs of a quickstart; TensorBoard sees each training of them once."""
    runs = [tmp_path / "first", tmp_path / "second"]
    for run in runs:
        for phase in ("pretrain", "finetune"):
            (run / phase / "tensorboard").mkdir(parents=True)
            (run / phase / "tensorboard" / "events.out.tfevents.1").write_text("")
            (run / phase / "compressor").mkdir()
            (run / phase / "compressor" / "config.json").write_text(run.name)
        (run / "report.md").write_text(run.name)
        (run / "examples").mkdir()
    return runs


def test_tensorboard_shows_each_run_once(runs: list[Path], tmp_path: Path) -> None:
    expected = sorted(str(run / phase / "tensorboard") for run in runs for phase in ("finetune", "pretrain"))
    latest = tmp_path / "latest"
    latest.symlink_to(runs[0], target_is_directory=True)  # as an earlier version left it
    for run in runs:
        point_to(run, latest)
        assert sorted(GetLogdirSubdirectories(str(tmp_path))) == expected
        assert (latest / "report.md").read_text() == run.name
        assert (latest / "finetune" / "compressor" / "config.json").read_text() == run.name
        assert (latest / "examples").is_dir()
    assert all((run / "report.md").is_file() for run in runs)


def test_what_is_no_link_is_left_alone(runs: list[Path], tmp_path: Path) -> None:
    shutil.copytree(runs[0], tmp_path / "latest")
    with pytest.raises(ConfigError, match="move it away"):
        point_to(runs[1], tmp_path / "latest")
    assert (tmp_path / "latest" / "report.md").read_text() == "first"
