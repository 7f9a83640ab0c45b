"""The wheel holds configurations and toy models, and works outside the repository."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_wheel_works_outside_the_repository(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(tmp_path), str(ROOT)],
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "arc_encoder/configs/train.yaml" in names
    assert "arc_encoder/bundled/toy_world/toy_a/model.safetensors" in names
    assert "arc_encoder/tools/planning/architectures/llama_3.1_8b.json" in names
    assert "arc_encoder/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "tools/"))]
    for check in (["twine", "check", "--strict"], ["check_wheel_contents", "--config", str(ROOT / "pyproject.toml")]):
        found = subprocess.run([sys.executable, "-m", *check, str(wheel)], capture_output=True, text=True)
        assert found.returncode == 0, found.stdout + found.stderr

    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)],
        check=True,
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(target), "HF_HUB_OFFLINE": "1"}
    where = subprocess.run(
        [sys.executable, "-c", "import arc_encoder; print(arc_encoder.__file__)"],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert str(target) in where.stdout
    run = subprocess.run(
        [sys.executable, "-m", "arc_encoder.commands.experiments.train", "debug=fast", "threads=1", "paths.run=run"],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert (elsewhere / "run" / "compressor" / "model.safetensors").is_file()
