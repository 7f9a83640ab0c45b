"""`arc-ablate`: every ablation's commands fit, and a small one runs to the end."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hydra.utils import instantiate
from omegaconf import DictConfig
from transformers import LlamaConfig

from arc_encoder.commands.experiments import ablate
from arc_encoder.config.paths import configs_folder
from arc_encoder.core.errors import ConfigError
from arc_encoder.tools.ablation.configured import cache_identities, check_stages, stages_of_config
from arc_encoder.tools.ablation.stages import Scale
from tests.commands.conftest import Make
from tests.tiny_runs import Command, composed

ABLATIONS = sorted(file.stem for file in (configs_folder() / "ablation").glob("*.yaml"))
QUICK = {"causal"}  # composing every command takes ten seconds and more: all others are tested with the slow ones
QUICK_FIRST = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ABLATIONS]
# At the paper's scale these stand for all: every baseline, other encoders, another pooling, growth, tasks that are added.
APART = {"baselines", "encoder_backbone", "memory_tokens", "growth", "distractors"}
AT_THE_PAPERS_SCALE = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ABLATIONS if name in QUICK | APART
]


@pytest.fixture
def run(make: Make) -> Command:
    return make(ablate.main)


@pytest.mark.parametrize("name", QUICK_FIRST)
def test_every_command_of_every_ablation_fits(run: Command, tmp_path: Path, name: str) -> None:
    seeds = [0, 1] if name in QUICK else [0]
    printed = run(f"ablation={name}", "dry_run=true", f"seeds={seeds}").splitlines()
    described = yaml.safe_load((configs_folder() / "ablation" / f"{name}.yaml").read_text())
    assert described["name"] == name
    assert described["question"].endswith("?")
    evaluations = [line for line in printed if line.startswith("arc-eval") and "checkpoint=" in line]
    assert len(evaluations) == len(seeds) * len(described["variants"])
    assert sum('variant: "reference"' in line for line in printed) == 1
    assert not list(tmp_path.iterdir())  # a dry run leaves nothing behind


def paper(name: str, *words: str) -> DictConfig:
    return composed([f"ablation={name}", "scale=paper", "seeds=[0]", "paths.run=.", *words], "ablate")


@pytest.mark.parametrize("name", sorted(QUICK))
def test_at_the_papers_scale_nothing_is_wrong_but_what_is_not_here(name: str, tmp_path: Path) -> None:
    config = paper(name, f"overrides=['paths.corpus={tmp_path}']")
    with pytest.raises(ConfigError) as raised:
        check_stages(stages_of_config(config, instantiate(config.scale, _convert_="all")), first_seed=0)
    problems = str(raised.value).split("\n  - ")[1:]
    assert problems
    missing = (": model.encoder: no encoder backbone at", "no file matches", "; make it with: arc-data prepare ")
    assert [problem for problem in problems if not any(words in problem for words in missing)] == []


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the configuration of an encoder as deep as the paper's, and a file of each kind of data."""
    folder = tmp_path_factory.mktemp("stand_ins")
    LlamaConfig(num_hidden_layers=28, hidden_size=16, num_attention_heads=2, vocab_size=99).save_pretrained(folder)
    (folder / "pretraining").mkdir()
    with gzip.open(folder / "pretraining" / "one.jsonl.gz", "wt") as file:
        file.write("\n".join(json.dumps({"text": text}) for text in ("A document.", "Another one.")))
    asked = [f"Translate the previous document into {name}." for name in ("Danish", "German", "French", "Spanish")]
    lines = "\n".join(json.dumps({"question": q, "answers": ["a"], "passages": ["p"]}) for q in asked * 8)
    for kind in ("nq_open", "trivia_qa", "hotpot_qa", "squad", "flores", "cnn_dailymail"):
        with gzip.open(folder / f"{kind}.jsonl.gz", "wt") as file:
            file.write(lines)
    tasks = composed(["data=paper_finetune", "paths.run=.", f"paths.corpus={folder}"]).data.tasks
    (folder / "finetuning").mkdir()
    for task in tasks.values():
        Path(task.source.path).write_text(lines)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", AT_THE_PAPERS_SCALE)
def test_at_the_papers_scale_every_command_fits_once_models_and_data_are_here(name: str, stand_ins: Path) -> None:
    config = paper(name, f"overrides=['paths.corpus={stand_ins}']")
    scale: Scale = instantiate(config.scale, _convert_="all")
    encoder = f"model.encoder.path={stand_ins}"
    scale = replace(scale, pretrain=[*scale.pretrain, encoder], finetune=[*scale.finetune, encoder])
    stages = stages_of_config(config, scale)
    check_stages(stages, first_seed=0)
    evaluations = [stage for stage in stages if stage.command == "arc-eval"]
    assert all(any(word.startswith("benchmark=[nq_open,") for word in stage.overrides) for stage in evaluations)
    assert not any(word.startswith("threads=") for stage in stages for word in stage.overrides)


def test_the_papers_comparison_asks_llmlingua2_as_well() -> None:
    config = paper("baselines")
    assert ",llmlingua2]" in config.ablation.reference[0]
    assert "llmlingua2" not in composed(["ablation=baselines", "paths.run=."], "ablate").ablation.reference[0]


def test_trainings_from_other_data_are_other_trainings() -> None:
    identify = cache_identities()
    first, again, other = (
        identify(["experiment=toy/pretrain", *words])
        for words in ([], ["paths.logs=elsewhere", "model.encoder.truncate_layers=0"], ["paths.corpus=/data/B"])
    )
    assert first == again != other


def test_words_for_all_commands_and_for_one_kind(run: Command) -> None:
    printed = run(
        "ablation=causal", "variants=[causal]", "seeds=[0]", "dry_run=true", "threads=3",
        "overrides=['paths.corpus=/data/B']", "train_overrides=['data.batch_size=8']", "eval_overrides=['batch_size=4']",
    )  # fmt: skip
    trainings = [line for line in printed.splitlines() if line.startswith("arc-train")]
    evaluations = [line for line in printed.splitlines() if line.startswith("arc-eval")]
    assert (len(trainings), len(evaluations)) == (2, 2)
    assert all(" paths.corpus=/data/B data.batch_size=8 " in line and " threads=3 " in line for line in trainings)
    assert all(" paths.corpus=/data/B batch_size=4 " in line and " threads=3 " in line for line in evaluations)
    told = run.fails(
        "ablation=causal", "variants=[causal]", "seeds=[0]",
        "overrides=['data.batch_size=8','benchmark.limit=4']",
    )  # fmt: skip
    assert (
        "overrides=data.batch_size=8: arc-eval has no such setting, and overrides are given to all commands; "
        "give it to the trainings alone: \"train_overrides=['data.batch_size=8']\"" in told
    )
    assert "overrides=benchmark.limit=4: arc-train has no such setting" in told
    assert "\"eval_overrides=['benchmark.limit=4']\"" in told
    assert told.count("\n  - ") == 2  # each once, not once a command
    told = run.fails("ablation=causal", "variants=[causal]", "seeds=[0]", "overrides=['model/pooling=last']")
    assert "\"train_overrides=['model/pooling=last']\"" in told


def test_results_of_a_changed_scale_or_ablation_are_told_apart(run: Command) -> None:
    words = ["ablation=causal", "variants=[causal]", "seeds=[0]", "dry_run=true", "scale.jobs=1", "scale.threads=2"]
    assert "overrides:" not in run(*words)
    changed = run(*words, "scale.values.steps_half=3", "+ablation.variants.causal.conditions={look_ahead: no}")
    told = 'overrides: "scale.values.steps_half=3 ablation.variants.causal.conditions={look_ahead: no}"'
    assert [told in line for line in changed.splitlines()] == [
        line.startswith("arc-eval") for line in changed.splitlines()
    ]


def test_one_command_takes_one_ablation_and_one_scale(run: Command) -> None:
    told = run.fails("ablation=[causal,lora]", "dry_run=true")
    assert "ablation=[causal,lora]: one command takes one; give one of them, and then the next" in told
    assert "scale=[toy,toy_b]: one command takes one" in run.fails("ablation=causal", "scale=[toy,toy_b]")


def test_settings_that_are_something_else(run: Command, tmp_path: Path) -> None:
    told = run.fails("ablation=pooling", "variants=mean", "jobs=two", "train_overrides=device")
    assert "variants=mean: expected a list of names, such as [mean,last]" in told
    assert "jobs=two: expected a whole number from 1 on, or null for the scale's" in told
    assert "train_overrides=device: expected a list of words for the trainings" in told
    assert "jobs=0: expected" in run.fails("ablation=pooling", "jobs=0")
    for seeds in ("0", "[one]", "[-1]"):
        assert "expected a list of whole numbers from 0 on" in run.fails("ablation=pooling", f"seeds={seeds}")
    (tmp_path / "mine" / "ablation").mkdir(parents=True)
    (tmp_path / "mine" / "ablation" / "odd.yaml").write_text("name: odd\nquestion: Why?\nvariants: [a, b]\n")
    told = run.fails("--config-dir", str(tmp_path / "mine"), "ablation=odd")
    assert "ablation odd: variants=['a', 'b'] must be names with what each changes" in told
    assert not (tmp_path / "logs").exists()


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
        named = {"ablation": "causal", "scale": "toy", "variant": variant, "seed": 0}
        assert found["conditions"] == {**named, "overrides": " ".join(words[4:])}  # the scale's words were changed
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
