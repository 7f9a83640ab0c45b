"""Every YAML file of every group composes, binds to what it names, and builds what can be built here."""

from __future__ import annotations

import copy
import functools
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.utils import instantiate
from lightning import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from arc_encoder.commands.catalogue import COMMANDS
from arc_encoder.commands.nested import NESTED
from arc_encoder.config.building.benchmarks import benchmarks_of
from arc_encoder.config.paths import configs_folder
from arc_encoder.config.validation.check import find_problems
from arc_encoder.config.validation.keys import keys_of
from arc_encoder.data import ArcDataModule
from arc_encoder.data.retrieval import Retriever
from arc_encoder.data.schedule.growth import FactorGrowth
from arc_encoder.data.schedule.task_warmup import TaskWarmup
from arc_encoder.data.tasks import Task
from arc_encoder.evaluation.benchmarks import Benchmark
from arc_encoder.evaluation.protocols import Protocol
from arc_encoder.evaluation.systems import System
from arc_encoder.inference.fallback.policies import Fallback
from arc_encoder.inference.serving.engines import Engine as ServingEngine
from arc_encoder.inference.storage import Codec
from arc_encoder.inference.storage.corpus.engines import Engine
from arc_encoder.model.decoder.load import FrozenDecoder
from arc_encoder.model.encoder.adapters import Adapter
from arc_encoder.model.encoder.pooling import Pooling
from arc_encoder.model.heads.decoder_adapter import DecoderLora
from arc_encoder.model.heads.projectors import Projector
from arc_encoder.model.heads.starts import Start
from arc_encoder.model.language_models.downloads.places import bundled_folder
from arc_encoder.tools.preparation import Recipe
from arc_encoder.training.objectives import Objective
from arc_encoder.training.optim.optimizer import OptimSettings
from tests.tiny_runs import composed

CONFIGS = configs_folder()
OPTIONS = sorted(str(file.relative_to(CONFIGS).with_suffix("")) for file in CONFIGS.rglob("*.yaml"))
GROUPS = [option for option in OPTIONS if "/" in option]
# Groups that another command than arc-train reads.
ROOT_OF = {
    "codec": "compress",
    "engine": "compress",
    "fallback": "ask",
    "questions": "probe",
    "benchmark": "eval",
    "protocol": "eval",
    "system": "eval",
    "recipe": "prepare",
    "retriever": "prepare",
    "ablation": "ablate",
    "scale": "ablate",
}
# Their models are on a hub that is not reached here, or are fetched first.
HUB = [
    option
    for option in GROUPS
    if option.startswith(("decoder/", "model/encoder/"))
    and re.search(r"/|\$\{model:", str(yaml.safe_load((CONFIGS / f"{option}.yaml").read_text()).get("path")))
]
# Their data is the user's; test_paper.py and test_real_model.py look at them.
PREPARED = [
    option
    for option in GROUPS
    if option.startswith(
        ("experiment/paper/", "data/paper_", "experiment/smollm2/", "data/smollm2_", "task/distractors")
    )
]

# Benchmarks that ask a file of the user's → the recipe that makes it.
FILES = {
    option: str(yaml.safe_load((CONFIGS / f"{option}.yaml").read_text())["source"]["prepare"])
    for option in GROUPS
    if option.startswith("benchmark/") and "\n  prepare:" in (CONFIGS / f"{option}.yaml").read_text()
}

# They start from a trained ARC-Encoder.
FROM_CKPT = ("model/extend", "experiment/add_decoder")


def needs_library(option: str) -> None:
    """Skip an option of an extra that is not installed."""
    if option in ("model/encoder/adapter/lora", "experiment/baseline/pisco"):
        pytest.importorskip("peft", reason="needs the extra lora (peft)")


def is_engine(made: Any) -> bool:
    """Of `arc-compress`, or what makes one of `arc-serve`."""
    return isinstance(made, Engine) or issubclass(made.func, ServingEngine)


def root_of(option: str) -> str:
    return ROOT_OF.get(option.split("/")[0], "train")


def override_of(option: str) -> str:
    group, name = option.rsplit("/", 1)
    if group.startswith("experiment"):
        group, name = "experiment", option.removeprefix("experiment/")
    if group == "task":
        group = "+task@data.tasks.another"
    return f"{group}={name}"


@functools.cache
def _with_option(option: str) -> DictConfig:
    root = root_of(option)
    elsewhere = ["paths.run=."]  # outside a command Hydra has no output folder
    elsewhere += ["ablation=pooling"] if root == "ablate" and not option.startswith("ablation/") else []
    start = ["ckpt=somewhere"] if option in FROM_CKPT else []
    return composed([override_of(option), *elsewhere, *start], root)


def with_option(option: str) -> DictConfig:
    """A configuration with one option chosen, to be changed at will."""
    return copy.deepcopy(_with_option(option))


def bundled(node: Any) -> bool:
    """Whether every bundled model that a configuration names is in this checkout."""
    text = OmegaConf.to_yaml(node, resolve=True)
    return not any(
        str(bundled_folder() / name) in text
        for name in ("toy_a", "toy_b", "toy_c", "toy_long")
        if not (bundled_folder() / name).is_dir()
    )


ROOTS = sorted(option for option in OPTIONS if "/" not in option)


def test_every_command_has_its_configuration() -> None:
    wanted = {command.config for command in (*COMMANDS.values(), *NESTED.values()) if command.config is not None}
    assert set(ROOTS) == wanted | {"check", "prepare"}  # the verbs of arc-data
    assert len(GROUPS) > 40


def test_names_at_the_top_level_are_those_of_file_and_groups() -> None:
    assert keys_of("bench") - keys_of("train") == {"batches", "warmup", "workers", "device"}
    assert {"decoders", "systems", "benchmarks", "protocol"} <= keys_of("eval")
    assert not {"decoder", "system", "hydra", "defaults", "_global_"} & keys_of("eval")


@pytest.mark.parametrize("root", ROOTS)
def test_the_commands_own_configurations_are_right(root: str) -> None:
    elsewhere = [] if root == "convert" else ["paths.run=."]
    elsewhere += ["ablation=pooling"] if root == "ablate" else []
    config = composed(elsewhere, root)
    if not bundled(config):
        pytest.skip("a bundled model is not here")
    assert find_problems(config, keys=keys_of(root)) == []


@pytest.mark.parametrize("option", [o for o in GROUPS if o not in PREPARED])
def test_every_option_composes_and_binds(option: str) -> None:
    needs_library(option)
    config = with_option(option)
    if option not in HUB and not bundled(config):
        pytest.skip("a bundled model is not here")
    if option in ("optim/pretrain", "optim/long_context"):  # its warm-up alone is as long as the default run
        config.trainer.max_steps = 2000
    problems = find_problems(config, keys=keys_of(root_of(option)))
    if option in HUB:  # only the encoder's configuration is read before training
        assert all(problem.startswith("model.encoder: no encoder backbone at") for problem in problems)
        return
    # what a user must fill in is named with how to do it, and nothing else is wrong
    unset = sorted(problem.split(":")[0] for problem in problems if "no value given; set it with" in problem)
    follow = [problem for problem in problems if "no value given; set it with" not in problem]
    if option in FILES:  # how to make the file is told
        assert [problem.split("; make it with: arc-data prepare ")[1].split()[0] for problem in follow] == [
            FILES[option]
        ]
        return
    if option == "benchmark/local":
        assert [problem.split("give the path")[0] for problem in follow] == ["benchmarks.local: benchmark: "]
        return
    assert follow == []
    assert unset == sorted(str(key) for key in missing_keys(config))


@pytest.mark.parametrize("option", sorted(FILES))
def test_benchmarks_of_files_ask_them(option: str, tmp_path: Path) -> None:
    """With a file in place, or with your own instead, and a recipe that there is."""
    assert (CONFIGS / "recipe" / f"{FILES[option]}.yaml").is_file()
    name = option.split("/")[1]
    asked = "Translate the previous document into {}."
    words = [asked.format(language) for language in ("Danish", "German", "French", "Spanish")]
    lines = [json.dumps({"question": word, "answers": ["a", "b"], "passages": ["p"]}) for word in words * 8]
    with gzip.open(tmp_path / f"{FILES[option]}.jsonl.gz", "wt") as file:
        file.write("\n".join(lines))
    (made,) = [
        made
        for made, _ in benchmarks_of(composed([override_of(option), f"paths.corpus={tmp_path}", "paths.run=."], "eval"))
    ]
    kept = {0: 0, 3: 3, 5: 5}[made.shots or 0]
    assert made.name == name
    assert len(made.questions) == (8 if name.startswith("flores") else 32) - kept
    own = tmp_path / "own.jsonl"
    own.write_text("\n".join(lines))
    (mine,) = [
        made
        for made, _ in benchmarks_of(composed([override_of(option), f"benchmark.path={own}", "paths.run=."], "eval"))
    ]
    assert (mine.name, type(mine.layout), mine.scoring.names) == (name, type(made.layout), made.scoring.names)


def missing_keys(config: DictConfig) -> set[str]:
    """Keys without a value, as OmegaConf sees them, wherever an interpolation shows them too."""
    found = {key for key in OmegaConf.missing_keys(config) if not key.startswith("hydra")}
    if "data.tasks.reconstruction.source.path" in found:
        found.add("data.tasks.continuation.source.path")
    return found


@pytest.mark.parametrize("option", [o for o in GROUPS if o not in [*HUB, *PREPARED, *FILES]])
def test_every_option_builds_what_it_names(option: str) -> None:
    needs_library(option)
    config = with_option(option)
    if missing_keys(config) or option == "benchmark/local":
        pytest.skip("needs a path of the user's")
    if not bundled(config):
        pytest.skip("a bundled model is not here")
    group = option.split("/")[0] if not option.startswith("model/") else option.rsplit("/", 1)[0]
    built = {
        "benchmark": lambda: all(isinstance(made, Benchmark) for made, _ in benchmarks_of(config)),
        "protocol": lambda: isinstance(instantiate(config.protocol), Protocol),
        "system": lambda: all(isinstance(instantiate(node), System) for node in config.systems.values()),
        "recipe": lambda: isinstance(instantiate(config.recipe, _convert_="all"), Recipe),
        "retriever": lambda: isinstance(instantiate(config.retriever), Retriever),
        "decoder": lambda: all(isinstance(instantiate(node), FrozenDecoder) for node in config.decoders.values()),
        "model": lambda: callable(instantiate(config.model)),
        "model/encoder": lambda: instantiate(config.model.encoder).config().num_hidden_layers > 0,
        "model/encoder/adapter": lambda: isinstance(instantiate(config.model.encoder.adapter), Adapter),
        "model/pooling": lambda: isinstance(instantiate(config.model.pooling), Pooling),
        "model/decoder_adapter": lambda: (
            config.model.decoder_adapter is None or isinstance(instantiate(config.model.decoder_adapter), DecoderLora)
        ),
        "model/projector": lambda: isinstance(instantiate(config.model.projector)(32, 48), Projector),
        "model/start": lambda: (
            config.model.start is None or isinstance(instantiate(config.model.start)(32, 48, vocabulary=300), Start)
        ),
        "codec": lambda: isinstance(instantiate(config.codec), Codec),
        "questions": lambda: config.questions._target_.endswith("Questions"),
        "engine": lambda: is_engine(instantiate(config.engine)),
        "fallback": lambda: config.fallback is None or isinstance(instantiate(config.fallback), Fallback),
        "growth": lambda: isinstance(instantiate(config.data.growth), FactorGrowth),
        "task_warmup": lambda: (
            config.data.task_warmup is None or isinstance(instantiate(config.data.task_warmup), TaskWarmup)
        ),
        "objective": lambda: isinstance(instantiate(config.objective), Objective),
        "optim": lambda: isinstance(instantiate(config.optim), OptimSettings),
        "data": lambda: isinstance(instantiate(config.data), ArcDataModule),
        "task": lambda: isinstance(instantiate(config.data.tasks.another), Task),
        "callbacks": lambda: all(isinstance(instantiate(node), Callback) for node in config.callbacks.values()),
        "logger": lambda: all(isinstance(instantiate(node), Logger) for node in config.logger.values()),
        "trainer": lambda: isinstance(trainer(config), Trainer),
    }
    if group in built:
        assert built[group]()
    else:  # whole experiments: everything that a run needs
        assert group in ("ablation", "debug", "experiment", "hparams_search", "paths", "scale")
        if root_of(option) == "train":
            assert all(built[part]() for part in ("decoder", "model", "optim", "data", "callbacks", "trainer"))


def trainer(config: DictConfig) -> Trainer:
    if config.trainer.accelerator == "gpu":
        config.trainer.accelerator = "cpu"
    made: Trainer = instantiate(config.trainer, logger=False)
    return made


@pytest.mark.parametrize("option", GROUPS)
def test_every_file_says_what_its_values_mean(option: str) -> None:
    """A first line for the whole, or a comment at each value."""
    if option in (
        "callbacks/default",
        "logger/csv",
        "logger/tensorboard",
        "logger/none",
        "paths/default",
        "trainer/default",
    ):
        return
    assert (CONFIGS / f"{option}.yaml").read_text().startswith("#")


def test_sweeps_name_values_that_exist() -> None:
    for option in GROUPS:
        if not option.startswith("hparams_search/"):
            continue
        file = OmegaConf.load(Path(CONFIGS) / f"{option}.yaml")
        for key, values in file.hydra.sweeper.params.items():
            for value in str(values).split(","):
                config = composed(["paths.run=.", f"{key}={value}"])
                assert find_problems(config, keys=keys_of("train")) == [], (option, key, value)
