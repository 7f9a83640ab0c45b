"""The paper's experiments: every one composes, says the method's numbers, and can be built on the meta device offline.

The numbers are those of (Pilchen et al., 2025, App. C).
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from arc_encoder.config.paths import configs_folder
from arc_encoder.config.validation.check import find_problems
from arc_encoder.config.validation.keys import keys_of
from arc_encoder.model.decoder.load import load_decoder
from arc_encoder.tools.planning.configured import UNREAD, parts_of
from arc_encoder.tools.planning.parts import build_parts, count, known_models, locate
from arc_encoder.training.optim.optimizer import OptimSettings
from tests.tiny_runs import composed

EXPERIMENTS = sorted(file.stem for file in (configs_folder() / "experiment" / "paper").glob("*.yaml"))
DECODERS = sorted(file.stem for file in (configs_folder() / "decoder").glob("*.yaml"))
PRETRAINING = [name for name in EXPERIMENTS if name.startswith("pretrain_")]
FINE_TUNING = [name for name in EXPERIMENTS if name.startswith("finetune_")]
LLAMA, MISTRAL, CHAT = "meta-llama/Llama-3.1-8B", "mistralai/Mistral-7B-v0.3", "meta-llama/Llama-2-7b-chat-hf"


@functools.cache
def experiment(name: str) -> DictConfig:
    return composed([f"experiment=paper/{name}", "paths.run=."], "plan")


def optim(config: DictConfig) -> dict[str, Any]:
    rates = OmegaConf.to_container(config.optim)
    assert isinstance(rates, dict)
    names = ("encoder_lr", "projector_lr", "task_token_lr", "final_lr", "warmup_steps", "weight_decay", "train_encoder")
    return {name: rates[name] for name in names}


def test_all_are_there() -> None:
    assert (
        sorted(
            [f"pretrain_arc8_{decoder}" for decoder in ("llama", "mistral", "multi")]
            + [f"finetune_arc{factor}_{decoder}" for factor in (4, 8) for decoder in ("llama", "mistral", "multi")]
            + ["add_olmo", "pretrain_long_context", "long_context_llama2_chat"]
        )
        == EXPERIMENTS
    )


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_nothing_is_missing_but_models_and_data(name: str) -> None:
    config = experiment(name)
    assert not {key for key in OmegaConf.missing_keys(config) if not key.startswith("hydra")}
    assert find_problems(config, keys=keys_of("plan"), ignored=UNREAD) == []
    alone = composed([f"experiment=paper/{name}", "paths.run=."])
    problems = find_problems(alone, keys=keys_of("train"))
    assert problems
    assert all(problem.startswith(("data.tasks.", "model.encoder: no encoder backbone at")) for problem in problems)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_all_share(name: str) -> None:
    config = experiment(name)
    assert config.experiment_name == f"paper_{name}"
    assert config.trainer.devices == 8
    assert config.trainer.precision == "bf16-mixed"
    assert config.trainer.gradient_clip_val == 1.0
    assert config.model.projector.bottleneck == 2048
    assert config.model.pooling._target_ == "arc_encoder.model.encoder.pooling.MeanPooling"
    assert config.model.encoder.path == "meta-llama/Llama-3.2-3B"
    assert config.model.encoder.truncate_layers == 2
    assert not config.model.encoder.causal
    assert all(node.dtype == "bfloat16" for node in config.decoders.values())
    settings: OptimSettings = instantiate(config.optim)
    assert (settings.betas, settings.eps) == ((0.9, 0.95), 1e-8)
    assert settings.train_layers is None
    assert settings.train_embeddings


@pytest.mark.parametrize("name", PRETRAINING)
def test_pretraining(name: str) -> None:
    config = experiment(name)
    assert optim(config) == {
        "encoder_lr": 1e-5, "projector_lr": 5e-5, "task_token_lr": 1e-5, "final_lr": 1e-10, "warmup_steps": 1000,
        "weight_decay": 0.1, "train_encoder": True,
    }  # fmt: skip
    assert (config.trainer.max_steps, config.trainer.accumulate_grad_batches) == (80000, 1)
    assert config.data.batch_size == 16
    assert config.model.pooling.factor == 8
    assert config.model.chunking.size == 256
    assert set(config.data.tasks) == {"reconstruction", "continuation"}
    reconstruction, continuation = config.data.tasks.reconstruction, config.data.tasks.continuation
    assert (reconstruction.share, reconstruction.max_tokens) == (0.2, 256)
    assert (continuation.share, continuation.part, continuation.interleaved) == (0.8, 256, True)


@pytest.mark.parametrize("name", FINE_TUNING)
def test_fine_tuning(name: str) -> None:
    config, several = experiment(name), name.endswith("multi")
    assert optim(config) == {
        "encoder_lr": 2e-6, "projector_lr": 3e-5, "task_token_lr": 3e-5 if several else 2e-6, "final_lr": 1e-8,
        "warmup_steps": 50, "weight_decay": 0.05, "train_encoder": True,
    }  # fmt: skip
    assert (config.trainer.max_steps, config.trainer.accumulate_grad_batches) == (8000 if several else 4000, 1)
    assert config.data.batch_size == 8
    assert config.model.pooling.factor == (4 if "arc4" in name else 8)
    assert config.model.chunking.size == 2048


def test_fine_tuning_mix() -> None:
    tasks = experiment("finetune_arc4_llama").data.tasks
    mix = {str(name): (node.share, node.shots, node.max_passages) for name, node in tasks.items()}
    assert mix == {
        "short_translation": (6, 5, 1), "low_res_short_translation": (2, 5, 1), "low_res_mid_translation": (2, 5, 1),
        "adversarialqa": (8, 5, 4), "freebaseqa": (27, 5, 4), "asqa": (1, 5, 4), "msmarco": (9, 5, 4), "sciq": (3, 5, 4),
        "drop": (20, 5, 1), "parasci": (12, 5, 1), "dialogsum": (2.5, 3, 1), "samsum": (2.5, 4, 1), "wikisum": (5, 5, 1),
    }  # fmt: skip
    assert math.isclose(sum(share for share, _, _ in mix.values()), 100)


@pytest.mark.parametrize(
    ("ending", "paths"), [("_llama", [LLAMA]), ("_mistral", [MISTRAL]), ("_multi", [LLAMA, MISTRAL])]
)
def test_decoders_of_the_experiments(ending: str, paths: list[str]) -> None:
    for name in (name for name in EXPERIMENTS if name.endswith(ending)):
        assert [node.path for node in experiment(name).decoders.values()] == paths
        assert experiment(name).model.task_tokens


def test_adding_a_decoder() -> None:
    config = experiment("add_olmo")
    assert optim(config) == {
        "encoder_lr": 0.0, "projector_lr": 1e-4, "task_token_lr": 1e-4, "final_lr": 1e-10, "warmup_steps": 100,
        "weight_decay": 0.1, "train_encoder": False,
    }  # fmt: skip
    assert config.trainer.max_steps == 8000
    assert [node.path for node in config.decoders.values()] == ["allenai/OLMo-7B-hf"]


def test_long_context() -> None:
    config = experiment("long_context_llama2_chat")
    rates = optim(config)
    assert rates.pop("task_token_lr") == 0  # there are none
    assert rates == {
        "encoder_lr": 1e-5, "projector_lr": 5e-5, "final_lr": 1e-10, "warmup_steps": 1000, "weight_decay": 0.1,
        "train_encoder": True,
    }  # fmt: skip
    assert (config.trainer.max_steps, config.trainer.accumulate_grad_batches, config.data.batch_size) == (8000, 4, 2)
    assert (config.model.chunking.size, config.model.chunking.max_chunks, config.model.pooling.factor) == (1024, 32, 8)
    for name in ("long_context_llama2_chat", "pretrain_long_context"):
        assert [node.path for node in experiment(name).decoders.values()] == [CHAT]
        assert not experiment(name).model.task_tokens


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_can_be_built_on_the_meta_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    parts = parts_of(experiment(name))
    assert count(parts.encoder_parameters()) == 3_011_407_872  # 3.0 B: Llama 3.2 3B without head norm and two layers
    assert all(p.is_meta for p in parts.compressor.parameters())
    trained = [p for p in parts.encoder_parameters() if p.requires_grad]
    assert bool(trained) == (name != "add_olmo")


@pytest.mark.parametrize(
    "decoder", [name for name in DECODERS if name not in ("huggingface", "toy_a", "toy_b", "toy_c", "toy_long")]
)
def test_every_decoder_can_be_built_on_the_meta_device(
    decoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARC_MODELS", str(tmp_path))  # nothing was fetched
    config = composed([f"decoder={decoder}", "paths.run=."], "plan")
    (name,) = config.decoders
    assert name == decoder.replace(".", "_").replace("-", "_")
    node = config.decoders[name]
    assert locate(node.path) in map(str, known_models().values())
    assert get_object(node._target_) is load_decoder
    chat = any(word in decoder for word in ("instruct", "chat")) or decoder in ("qwen3_8b", "smollm3_3b")
    assert node.get("chat", False) == chat
    if "qwen" in decoder or "olmo_7b" in decoder:
        assert not node.bos
    assert count(parts_of(config).decoders[name].parameters()) > 1e8


@pytest.mark.parametrize(("encoder", "layers"), [("llama_3.2_3b", 26), ("llama_3.1_8b", 24)])
def test_every_encoder_can_be_built_on_the_meta_device(encoder: str, layers: int) -> None:
    config = composed([f"model/encoder={encoder}", "decoder=llama_3.1_8b", "paths.run=."], "plan")
    backbone = instantiate(config.model.encoder)
    parts = build_parts(
        backbone,
        instantiate(config.model.pooling),
        instantiate(config.model.projector),
        {"llama": (LLAMA, "bfloat16")},
        optim=OptimSettings(),
    )
    assert len(parts.compressor.encoder.backbone.layers) == layers
