"""Commands answer `--help`, as scripts and as modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from arc_encoder.commands.compressors import compress, convert
from arc_encoder.commands.experiments import evaluate, quickstart, train
from arc_encoder.commands.measurements import plan
from tests.commands.conftest import Make
from tests.tiny_runs import environment


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (train, "model/pooling: fusion, kmeans, last, mean, memory_tokens, sum"),
        (evaluate, "system: arc, averaged_embeddings, best_sentences, closed_book"),
        (compress, "text_field: text"),
        (convert, "layout: huggingface"),
        (plan, "utilisation: 0.4"),
        (quickstart, "pretrain_steps: "),
    ],
    ids=["train", "eval", "compress", "convert", "plan", "quickstart"],
)
def test_help_shows_what_can_be_chosen(make: Make, tmp_path: Path, command: object, words: str) -> None:
    assert words in make(command.main)("--help")  # type: ignore[attr-defined]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_command_can_be_run_as_a_module(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "arc_encoder.commands.experiments.train", "--help"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "smollm3_3b, toy_a, toy_b, toy_c" in done.stdout
