"""Help and misspelt words are answered before anything large is imported; `arc` knows every command."""

from __future__ import annotations

import importlib
import inspect
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from arc_encoder.commands import start
from arc_encoder.commands.catalogue import COMMANDS
from arc_encoder.config.paths import configs_folder
from arc_encoder.config.validation.signatures import parameters_of
from tests.tiny_runs import environment

ROOT = Path(__file__).parents[2]
LARGE = ("torch", "transformers", "lightning", "pandas", "pydantic")


def answered(tmp_path: Path, entry: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run an entry point, and say at the end which large libraries it has imported."""
    script = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('imported', [name for name in {LARGE!r} if name in sys.modules]))\n"
        f"sys.argv = ['arc', *{list(words)!r}]\n"
        f"from arc_encoder.commands import start; start.{entry}()\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    ("entry", "words", "shown"),
    [
        ("main", ["--help"], "arc train "),
        ("main", ["train", "--help"], "model/pooling: "),
        ("ablate", ["--help"], "ablation: "),
        ("data", ["check", "my.jsonl", "--help"], "decoder: "),
        ("report", ["--help"], "arc-report compare"),
        ("models", ["--help"], "fetch a model"),
        ("parity", ["--help"], "--dtype"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else each,
)
def test_help_imports_nothing_large(tmp_path: Path, entry: str, words: list[str], shown: str) -> None:
    done = answered(tmp_path, entry, *words)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout
    assert "imported []" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["optim.encodr_lr=1"], "did you mean 'encoder_lr'"),
        (["model.pooling.facto=4"], "did you mean 'factor'"),
        (["decoder=toy_x"], "decoder=toy_x: no such choice"),
        (["seeed=1", "optim.warmup=1"], "2 mistakes"),
        (["seed"], "not an override"),
        (["ckpt=a,b"], """in quotes: 'ckpt="a,b"'"""),
        (["ckpt=a=b"], """in quotes: 'ckpt="a=b"'"""),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_misspelt_words_are_refused_at_once(tmp_path: Path, words: list[str], shown: str) -> None:
    done = answered(tmp_path, "train", *words)
    assert done.returncode == 2
    assert shown in done.stderr
    assert "imported []" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_is_there_at_once(tmp_path: Path, name: str) -> None:
    done = answered(tmp_path, "main", name, "--help")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 5
    assert "imported []" in done.stdout


def test_arc_lists_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["arc", "--help"])
    start.main()
    shown = capsys.readouterr().out
    assert all(f"  arc {name} " in shown for name in COMMANDS)


def test_the_package_is_a_module_that_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["arc_encoder", "--help"])
    runpy.run_module("arc_encoder", run_name="__main__")
    assert "  arc train " in capsys.readouterr().out


def test_arc_refuses_a_command_that_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["arc", "trian"])
    with pytest.raises(SystemExit):
        start.main()
    assert "did you mean 'train'" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["arc", "toy-models"])
    with pytest.raises(SystemExit):
        start.main()
    assert "python -m tools.toy_models.train" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--resume", "nowhere"], ["--resume=nowhere"]])
def test_resuming_reaches_the_command(tmp_path: Path, words: list[str]) -> None:
    done = answered(tmp_path, "train", *words)
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert "unrecognized arguments" not in done.stderr


def test_ctrl_c_ends_a_command_in_a_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from arc_encoder.commands.experiments import report

    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "main", stopped)
    monkeypatch.setattr(sys, "argv", ["arc", "report", "x"])
    with pytest.raises(SystemExit) as left:
        start.main()
    assert left.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("place", ["hydra", "torch"])
def test_ctrl_c_ends_a_command_while_it_is_imported(tmp_path: Path, place: str) -> None:
    script = (
        "import sys\n"
        "class Stop:\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {place!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())\n"
        "sys.argv = ['arc-train', 'seed=1']\n"
        "from arc_encoder.commands.start import train\n"
        "train()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_every_command_has_a_script_and_a_module() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(scripts) == {"arc", *(f"arc-{name}" for name in COMMANDS)}
    for script, place in scripts.items():
        module, _, name = place.partition(":")
        assert module == "arc_encoder.commands.start"
        entry = getattr(start, name)
        if script != "arc":
            assert entry.args == (script.removeprefix("arc-"),)
    for command in COMMANDS.values():
        assert callable(importlib.import_module(f"arc_encoder.commands.{command.module}").main)
        assert command.config is None or (configs_folder() / f"{command.config}.yaml").is_file()


def targets() -> list[str]:
    """Everything of this project that a configuration names."""

    def named(node: Any) -> Iterator[str]:
        for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
            yield from named(value)
        if isinstance(node, dict) and str(node.get("_target_", "")).startswith("arc_encoder."):
            yield node["_target_"]

    files = configs_folder().rglob("*.yaml")
    return sorted({name for file in files for name in named(OmegaConf.to_container(OmegaConf.load(file)))})


@pytest.mark.parametrize("target", targets())
def test_parameters_are_read_from_the_source_as_python_sees_them(target: str) -> None:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    signature = inspect.signature(get_object(target))
    read = parameters_of(target)
    if read is None:  # it takes what a library's class takes
        assert not signature.parameters or not get_object(target).__init__.__module__.startswith("arc_encoder.")
    else:
        assert set(read) == {name for name, each in signature.parameters.items() if each.kind in kinds}


def test_what_is_not_of_this_project_is_not_read() -> None:
    assert parameters_of("lightning.Trainer") is None
    assert parameters_of("arc_encoder.training.optim.optimizer.Nothing") is None
