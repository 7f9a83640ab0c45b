"""Runs of the real commands on tiny random models: composed in this process, or started as a user starts them."""

from __future__ import annotations

import contextlib
import csv
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from arc_encoder.commands.experiments.train import train
from arc_encoder.config.paths import configs_folder, register_resolvers
from tests.tiny_models import tiny_language_model, tiny_tokenizer

BIN = Path(sys.executable).parent


def save_tiny_model(folder: Path, *, width: int = 32, layers: int = 2, seed: int = 0) -> Path:
    """A random language model and its byte tokenizer as a Hugging Face folder."""
    tiny_language_model(width=width, layers=layers, seed=seed).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def model_overrides(model: Path, *, decoder: Path | None = None) -> list[str]:
    """Overrides that train `model` as encoder in front of `decoder` (itself by default)."""
    return [
        "model/encoder=huggingface",
        f"model.encoder.path={model}",
        "model.projector.bottleneck=24",
        "decoder=huggingface",
        f"decoders.huggingface.path={decoder or model}",
        "decoders.huggingface.dtype=float32",
    ]


def short_overrides(*, steps: int = 4, batch_size: int = 2) -> list[str]:
    """Overrides of a run of a few small steps on the toy world, every loss in a CSV file."""
    return [
        f"trainer.max_steps={steps}",
        f"trainer.val_check_interval={steps}",
        "trainer.log_every_n_steps=1",
        "+trainer.enable_progress_bar=false",
        "optim.warmup_steps=1",
        "optim.encoder_lr=1e-3",
        "optim.projector_lr=2e-3",
        f"data.batch_size={batch_size}",
        "data.validation_batches=1",
        "data.tasks.reconstruction.max_tokens=24",
        "data.tasks.continuation.part=12",
        "callbacks.text_samples.max_new_tokens=4",
        "~callbacks.progress",
        "logger=csv",
        "threads=1",
    ]


@contextlib.contextmanager
def no_hydra() -> Iterator[None]:
    """Leave no trace of Hydra in this process."""
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().clear()


def composed(overrides: Sequence[str], name: str = "train") -> DictConfig:
    """A configuration, as a command composes it."""
    register_resolvers()
    with no_hydra(), initialize_config_dir(str(configs_folder()), version_base="1.3"):
        return compose(name, overrides=list(overrides))


def run_train(run: Path, overrides: Sequence[str]) -> float | None:
    """Train in this process, writing to `run`."""
    return train(composed([f"paths.run={run}", *overrides]))


def table(file: Path | str) -> list[dict[str, str]]:
    """Rows of a CSV logger's file; an empty text where a row has no value."""
    with Path(file).open() as lines:
        return list(csv.DictReader(lines))


def losses(run: Path) -> dict[int, str]:
    """Optimizer step → training loss, exactly as the CSV logger wrote it; later files win."""
    rows = [row for file in sorted(run.glob("csv/*/metrics.csv")) for row in table(file)]
    return {int(row["step"]): row["train/loss"] for row in rows if row.get("train/loss")}


def environment() -> dict[str, str]:
    """Of a command that is started: offline, one thread."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}


def start(command: str, *arguments: str, cwd: Path, **options: Any) -> subprocess.Popen[str]:
    """Start a console command of the project."""
    return subprocess.Popen(
        [str(BIN / command), *arguments],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


def finish(process: subprocess.Popen[str], timeout: float = 900) -> str:
    """Wait for a command that must succeed; returns what it printed."""
    try:
        output, _ = process.communicate(timeout=timeout)
    finally:
        process.kill()
    assert process.returncode == 0, output
    return output


class Command:
    """Runs a command's `main` in this process, as if started with arguments in an empty folder."""

    def __init__(
        self,
        main: Callable[[], None],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        *,
        hydra: bool = True,
    ) -> None:
        self.main, self.monkeypatch, self.capsys, self.hydra = main, monkeypatch, capsys, hydra

    def __call__(self, *arguments: str) -> str:
        """What it printed; it must succeed."""
        code, output, errors = self.outcome(*arguments)
        assert code == 0, errors
        return output

    def fails(self, *arguments: str) -> str:
        """The error that it printed; it must end with the status of a user's mistake, without a traceback."""
        code, _, errors = self.outcome(*arguments)
        assert code == 2, (code, errors)
        assert "Traceback" not in errors
        assert errors.count("error: ") == 1
        return errors[errors.index("error: ") :]

    def outcome(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, output and errors."""
        quiet = ["hydra/job_logging=disabled", "hydra/hydra_logging=disabled"] if self.hydra else []
        self.monkeypatch.setattr(sys, "argv", ["command", *arguments, *quiet])
        self.capsys.readouterr()
        code = 0
        with no_hydra():
            try:
                self.main()
            except SystemExit as left:
                code = int(left.code or 0)
        for logger in logging.Logger.manager.loggerDict.values():  # Hydra's "disabled" switches every known one off
            if isinstance(logger, logging.Logger):
                logger.disabled = False
        captured = self.capsys.readouterr()
        return code, captured.out, captured.err
