"""Several processes of the same settings in one folder, and none of others."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.run_folder.record import record_start
from arc_encoder.core.run_folder.sharing import share_run_folder
from tests.tiny_runs import environment

HOLD = """
import sys
from functools import partial
from pathlib import Path
import yaml
from arc_encoder.core.run_folder.record import record_start
from arc_encoder.core.run_folder.sharing import share_run_folder
folder, written = Path(sys.argv[1]), sys.argv[2]
with share_run_folder(folder, yaml.safe_load(written), partial(record_start, folder, config=written)):
    print("held", flush=True)
    sys.stdin.readline()
"""


def enter(folder: Path, settings: dict[str, Any]) -> None:
    with share_run_folder(
        folder, settings, partial(record_start, folder, config=yaml.safe_dump(settings)), own=("threads",)
    ):
        pass


def test_others_are_let_in_with_the_same_settings_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    settings = {"limit": 3, "threads": 1, "system": {"arc": {"window": 2}}}
    enter(folder, {"limit": 7})  # its time is over
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), yaml.safe_dump(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    enter(folder, {**settings, "threads": 2})
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    with pytest.raises(ConfigError, match=r"with other settings \(limit 3 → 4, system.arc.window 2 → 5\)"):
        enter(folder, {"limit": 4, "threads": 1, "system": {"arc": {"window": 5}}})
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    other.kill()  # whatever ends it
    other.communicate()
    enter(folder, {"limit": 4})


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        enter(tmp_path / "file" / "run", {})
