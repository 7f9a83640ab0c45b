"""`arc-ablate`: every ablation's commands fit, and a small one runs to the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from arc_encoder.cli import ablate
from arc_encoder.cli.locations import configs_folder
from tests.cli.conftest import Make
from tests.tiny_runs import Command

ABLATIONS = sorted(file.stem for file in (configs_folder() / "ablation").glob("*.yaml"))


@pytest.fixture
def run(make: Make) -> Command:
    return make(ablate.main)


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_command_of_every_ablation_fits(run: Command, tmp_path: Path, name: str) -> None:
    printed = run(f"ablation={name}", "dry_run=true", "seeds=[0,1]").splitlines()
    described = yaml.safe_load((configs_folder() / "ablation" / f"{name}.yaml").read_text())
    assert described["name"] == name
    assert described["question"].endswith("?")
    evaluations = [line for line in printed if line.startswith("arc-eval") and "checkpoint=" in line]
    assert len(evaluations) == 2 * len(described["variants"])
    assert sum('variant: "reference"' in line for line in printed) == 1
    assert not list(tmp_path.iterdir())  # a dry run leaves nothing behind


def test_mistakes_are_told_before_anything_runs(run: Command, tmp_path: Path) -> None:
    errors = run.fails("ablation=causal", "overrides=['optim.encoder_lrr=3','data.batch_size=none']")
    assert "bidirectional, seed 0: pretraining: optim.encoder_lrr: there is no 'encoder_lrr' in optim" in errors
    assert "data.batch_size=" in errors
    assert "ablation pooling has no variant 'meen' (did you mean 'mean'?)" in run.fails(
        "ablation=pooling", "variants=[meen]"
    )
    assert "ablation=poling: no such choice (did you mean 'pooling'?)" in run.fails("ablation=poling")
    assert "ablation causal: there is nothing to do without seeds" in run.fails("ablation=causal", "seeds=[]")
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


@pytest.mark.slow
def test_a_small_ablation_from_its_first_command_to_its_results(run: Command, tmp_path: Path) -> None:
    words = [
        "ablation=causal", "seeds=[0]", "jobs=2", "paths.logs=logs",
        "scale.pretrain=['debug=fast']", "scale.finetune=['debug=fast','data=toy_finetune']",
        "scale.evaluate=['benchmark=toy_qa','benchmark.limit=4','costs=false']",
    ]  # fmt: skip
    run(*words)
    folder = tmp_path / "logs" / "ablation" / "causal_toy"
    for variant in ("bidirectional", "causal"):
        found = json.loads((folder / variant / "seed_0" / "results.json").read_text())
        assert found["conditions"] == {"ablation": "causal", "variant": variant, "seed": 0}
        assert found["status"] == "finished"
        assert {row["system"] for row in found["rows"]} == {"arc"}
    reference = json.loads((folder / "reference" / "results.json").read_text())
    assert {row["system"] for row in reference["rows"]} == {"closed_book", "open_book"}
    trainings = tmp_path / "logs" / "ablation" / "trainings"
    assert len([place for place in trainings.iterdir() if (place / "done").is_file()]) == 4
    assert (folder / "causal" / "seed_0" / "finetune" / "compressor").is_dir()
    assert "7 stages, 7 of them finished before" in run(*words)
    words[0] = "ablation=task_tokens"  # its default variant has been trained already
    printed = run(*words, "dry_run=true").splitlines()
    assert [line.split()[2] for line in printed if line.startswith("# done: ")] == ["arc-train", "arc-train"]
    assert len(printed) == 7
