"""Toy models made again: a folder that loads, a recipe, a log, and a second stage."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.tiny_runs import Command
from tools.toy_models.train import main

SMALL = [
    "model.architecture.num_hidden_layers=1",
    "model.vocab_size=300",
    "steps=2",
    "validate_every=1",
    "window=32",
    "batch_size=2",
    "threads=1",
]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(main, monkeypatch, capsys, hydra=False)


def test_a_model_of_two_stages(run: Command, tmp_path: Path) -> None:
    run("toy_model=toy_b", *SMALL, "output=one")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "one")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "one")
    assert type(model).__name__ == "LlamaForCausalLM"
    assert model.config.vocab_size == len(tokenizer) == 300
    assert tokenizer.decode(tokenizer("Mira lives.")["input_ids"], skip_special_tokens=True) == "Mira lives."
    assert all(tensor.dtype is torch.float16 for tensor in load_file(tmp_path / "one" / "model.safetensors").values())
    recipe = OmegaConf.load(tmp_path / "one" / "recipe.yaml")
    assert (recipe.steps, recipe.seed, recipe.mix.questions) == (2, 0, 0.45)
    with (tmp_path / "one" / "training_log.csv").open() as lines:
        assert [row["step"] for row in csv.DictReader(lines)] == ["1", "2"]

    still = ["optim.lr=0", "optim.muon_lr=0"]
    run("toy_model=toy_b", *SMALL, *still, "init_from=one", "output=two")
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_first_stage_of_another_shape(run: Command, tmp_path: Path) -> None:
    run("toy_model=toy_b", *SMALL, "output=one")
    wider = [each.replace("vocab_size=300", "vocab_size=320") for each in SMALL]
    assert "no toy model of this architecture there" in run.fails("toy_model=toy_b", *wider, "init_from=one")
    assert "no toy model of this architecture there" in run.fails("toy_model=toy_b", *SMALL, "init_from=nowhere")


def test_words_that_mean_nothing_are_refused(run: Command) -> None:
    assert "no such model; there are toy_a, toy_b" in run.fails("toy_model=toy_x")
    assert "stepz" in run.fails("stepz=3")
    assert "validate_every" in run("--help")
