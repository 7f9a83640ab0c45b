"""Every command that README and docs show is run, in a copy of the checkout."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from arc_encoder.config.overrides import check_command_line
from arc_encoder.config.paths import register_resolvers
from arc_encoder.config.validation.keys import keys_of
from tests.packaging import warm

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "data/README.md",
    *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md")),
]
PYTHON_PAGES = (
    "README.md",
    "docs/python.md",
    "docs/inference.md",
    "docs/storing.md",
    "docs/fallback.md",
    "docs/serving.md",
    "docs/tutorials/practitioners.md",
)
FENCE = re.compile(r"(<!-- not run by tests: [^>]+-->\s*)?```(bash|python)\n(.*?)```", re.DOTALL)
SHORT = {
    "arc-quickstart": "pretrain_steps=3 finetune_steps=3 limit=4 batch_size=2",
    "arc-train": "debug=fast",
    "tools.toy_models.train": "threads=1 steps=2 batch_size=2 validate_every=2 window=64",
}
ELSEWHERE = ("make ", "git ", "pip ", "pre-commit ", "cd ")  # set-up and upkeep, run by .ci/run itself


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text()
    return [body for skip, kind, body in FENCE.findall(text) if kind == language and not skip]


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        if not (ROOT / page).is_file():
            continue
        for body in blocks(page, "bash"):
            for line in body.replace("\\\n", " ").splitlines():
                line = line.split("  #")[0].strip()
                if line and not line.startswith(("#", *ELSEWHERE)):
                    found.append((page, line))
    return found


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's files with a short quickstart's results where the README expects them."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("configs", "data", "docs", "tools", "README.md"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
    result = run(copy, f"arc-quickstart {SHORT['arc-quickstart']} threads=1")
    assert result.returncode == 0, result.stderr[-2000:]
    return copy


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}
    return warm.run(folder, command, environment, timeout=280)


def shortened(command: str) -> str:
    """The command with as little work as shows that it runs; what it says itself stays."""
    for name, overrides in SHORT.items():
        if re.search(rf"(^|\s){name}\b", command) and not re.search(r"--(help|cfg|info|resume)\b", command):
            missing = [word for word in overrides.split() if f"{word.split('=')[0]}=" not in command]
            return " ".join([command, *missing])
    return command


def test_pages_hold_commands() -> None:
    pages = {page for page, _ in commands()}
    assert "README.md" in pages


@pytest.mark.slow
@pytest.mark.parametrize(("page", "command"), commands())
def test_command(checkout: Path, page: str, command: str) -> None:
    result = run(checkout, shortened(command))
    assert result.returncode == 0, f"{page}: {command}\n{result.stdout[-1500:]}\n{result.stderr[-1500:]}"


@pytest.mark.slow
def test_trainings_are_sound_as_they_are_typed(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above makes them shorter; without that, nothing may be wrong with them either."""
    register_resolvers()
    monkeypatch.chdir(checkout)
    problems: dict[str, list[str]] = {}
    checked = 0
    for page, command in commands():
        if not re.match(r"arc-train\b", command) or re.search(
            r"--(help|cfg|info|resume|multirun|config-dir)\b", command
        ):
            continue
        given = Namespace(
            overrides=shlex.split(command)[1:], config_name=None, config_dir=None, config_path=None, multirun=False
        )
        found, _ = check_command_line(given, "train", keys=keys_of("train"), ignored=("ckpt", "model.init_from"))
        checked += 1
        if found:
            problems[f"{page}: {command}"] = found
    assert problems == {}
    assert checked > 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "number"),
    [(page, i) for page in PYTHON_PAGES for i in range(len(blocks(page, "python")))],
)
def test_documented_python(checkout: Path, page: str, number: int) -> None:
    script = checkout / f"block_{number}.py"
    script.write_text(blocks(page, "python")[number])
    result = run(checkout, f"{sys.executable} {script}")
    assert result.returncode == 0, result.stderr[-2000:]
