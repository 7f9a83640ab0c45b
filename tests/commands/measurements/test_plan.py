"""`arc-plan` prints tables from a configuration, without weights, data or network."""

from __future__ import annotations

from pathlib import Path

import pytest

from arc_encoder.commands.measurements import plan
from arc_encoder.tools.planning.configured import estimate_of, machine_of
from tests.commands.conftest import Make
from tests.tiny_runs import Command, composed


@pytest.fixture
def run(make: Make) -> Command:
    return make(plan.main)


def test_a_paper_experiment(run: Command, tmp_path: Path) -> None:
    output = run("experiment=paper/pretrain_arc8_llama")
    assert output.startswith("paper_pretrain_arc8_llama on 8 GPUs of 80 GiB")
    assert "3,011,407,872" in output
    assert "8,030,261,248 | frozen, bfloat16 | 14.96" in output
    assert "Largest batch: continuation in front of llama_3_1_8b" in output
    assert "80000 steps" in output
    assert not list(tmp_path.iterdir())


def test_the_verdict(run: Command) -> None:
    assert "It does not fit: " in run("experiment=paper/pretrain_arc8_multi")
    assert "It fits only with activation checkpointing" in run("experiment=paper/finetune_arc4_multi", "sharded=true")
    roomy = run("experiment=paper/pretrain_arc8_llama", "gpu_memory_gib=141", "data.batch_size=8")
    assert "It fits: " in roomy


def test_local_folders_and_the_cpu(run: Command, tiny_model: Path) -> None:
    output = run(
        "model/encoder=huggingface", f"model.encoder.path={tiny_model}",
        "decoder=huggingface", f"decoders.huggingface.path={tiny_model}", "model.projector.bottleneck=24",
    )  # fmt: skip
    assert "on 1 GPU of 80 GiB" in output
    assert "It fits: " in output


def test_mistakes(run: Command) -> None:
    assert "is not known here" in run.fails("model/encoder=huggingface", "model.encoder.path=nobody/nothing")
    assert "utilisation=2" in run.fails("utilisation=2.0")
    assert "trainer.precision='bf16-true' is unknown" in run.fails("trainer.precision=bf16-true")
    assert "does not say how many GPUs" in run.fails("trainer.devices=auto")
    assert "gpus=2.5 must be a whole number" in run.fails("gpus=2.5")
    assert "gpu_memory_gib='much' must be a number from 0 on" in run.fails("gpu_memory_gib=much")
    assert "sharded='perhaps': expected true, false or null" in run.fails("sharded=perhaps")
    assert "answer_tokens=0 must be a whole number from 1 on" in run.fails("answer_tokens=0")
    assert "there is no 'gpu_memory'" in run.fails("gpu_memory=3")


def test_sharding_is_seen_in_the_strategy() -> None:
    config = composed(["trainer=paper", "trainer.strategy=fsdp", "paths.run=."], "plan")
    assert machine_of(config).sharded
    assert machine_of(config).gpus == 8
    config.sharded = False
    assert not machine_of(config).sharded
    assert machine_of(composed(["trainer=fsdp", "paths.run=."], "plan")).sharded
    assert not machine_of(composed(["trainer=ddp", "trainer.devices=2", "paths.run=."], "plan")).sharded


def test_decoders_elsewhere_and_at_rest_take_no_memory_here() -> None:
    experiment = ["experiment=paper/pretrain_arc8_multi", "paths.run=."]
    llama, mistral = 14.96, 13.50  # GiB in bfloat16

    def frozen(*overrides: str) -> float:
        return estimate_of(composed([*experiment, *overrides], "plan")).standing.frozen / 2**30

    rest = ["++decoders.llama_3_1_8b.offload=true", "++decoders.mistral_7b_v0_3.offload=true"]
    assert frozen() == pytest.approx(llama + mistral, abs=0.01)
    assert frozen("++decoders.llama_3_1_8b.device=cuda:1") == pytest.approx(mistral, abs=0.01)
    assert frozen(*rest) == pytest.approx(llama, abs=0.01)  # the larger one, when it is its turn
    assert frozen(rest[1]) == pytest.approx(llama + mistral, abs=0.01)
