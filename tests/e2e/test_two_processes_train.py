"""Two processes with half the batch each train what one process trains, with whole or divided weights."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import pytest
import torch
from hydra.utils import instantiate
from safetensors.torch import load_file
from torch import Tensor

from arc_encoder.config.building.compressors import build_decoders
from tests.tiny_runs import composed, finish, losses, save_tiny_model, start

STEPS, SEED = 4, 5  # with this seed the decoders of four steps are one, two, two, one
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # half a minute on an idle machine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny decoders of different widths, `one` and `two`, as a configuration group of your own."""
    root = tmp_path_factory.mktemp("two_decoders")
    (root / "decoder").mkdir()
    for seed, (name, width) in enumerate({"one": 32, "two": 48}.items()):
        model = save_tiny_model(root / name, width=width, seed=seed)
        lines = [
            f"# @package decoders.{name}",
            "_target_: arc_encoder.model.decoder.load.load_decoder",
            f"path: {model}",
        ]
        (root / "decoder" / f"{name}.yaml").write_text("\n".join([*lines, "dtype: float32", "bos: true", ""]))
    return root


def overrides(folder: Path, decoders: str, *, steps: int = STEPS, accumulate: int = 1) -> list[str]:
    return [
        "model/encoder=huggingface",
        f"model.encoder.path={folder / 'one'}",
        "model.projector.bottleneck=24",
        f"decoder={decoders}",
        f"seed={SEED}",
        f"trainer.max_steps={steps}",
        f"trainer.val_check_interval={steps}",
        f"trainer.accumulate_grad_batches={accumulate}",
        "trainer.log_every_n_steps=1",
        "optim.warmup_steps=0",
        "+optim.eps=1e-4",  # Adam divides rounding errors by almost zero otherwise
        "data.validation_batches=1",
        "data.tasks.reconstruction.share=0.5",
        "data.tasks.reconstruction.max_tokens=24",
        "data.tasks.continuation.part=12",
        "data.tasks.continuation.share=0.5",
        "callbacks.text_samples.max_new_tokens=2",
        "~callbacks.progress",
        "logger=csv",
        "threads=1",
        "model.length_buckets=1",
    ]


def train_alone(folder: Path, run: Path, chosen: list[str]) -> dict[str, Tensor]:
    """One process, batches of four."""
    finish(
        start(
            "arc-train", "--config-dir", str(folder), *chosen, "data.batch_size=4", f"paths.run={run}", cwd=run.parent
        )
    )
    return load_file(run / "compressor" / "model.safetensors")


def train_together(folder: Path, run: Path, chosen: list[str], strategy: str = "ddp") -> dict[str, Tensor]:
    """Two processes, batches of two each."""
    given = [*chosen, f"trainer={strategy}", "trainer.accelerator=cpu", "data.batch_size=2", f"paths.run={run}"]
    printed = finish(start("arc-train", "--config-dir", str(folder), *given, cwd=run.parent))
    assert "GLOBAL_RANK: 1, MEMBER: 2/2" in printed
    return load_file(run / "compressor" / "model.safetensors")


def fresh_weights(folder: Path, decoders: str) -> dict[str, Tensor]:
    """What training starts from."""
    L.seed_everything(SEED, verbose=False)
    chosen = [each for each in overrides(folder, "toy_a") if not each.startswith("decoder=")]
    config = composed([*chosen, "decoder=[]", "paths.run=."])
    instantiate(config.data)
    nodes = {
        name: {"_target_": "arc_encoder.model.decoder.load.load_decoder", "path": str(folder / name)}
        for name in decoders.strip("[]").split(",")
    }
    model, _ = instantiate(config.model)(decoders=build_decoders(nodes))
    return {name: tensor.clone() for name, tensor in model.compressor.state_dict().items()}


def assert_close(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(
            one[name], other[name], atol=1e-5, rtol=0, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize(
    ("decoders", "accumulate", "strategy"), [("one", 2, "fsdp"), ("[one,two]", 1, "ddp"), ("[one,two]", 1, "fsdp")]
)
def test_two_processes_equal_one(folder: Path, tmp_path: Path, decoders: str, accumulate: int, strategy: str) -> None:
    # Gradients are clipped at a norm that they exceed; the tasks of the four steps use both task tokens.
    chosen = [*overrides(folder, decoders, accumulate=accumulate), "trainer.gradient_clip_val=0.5"]
    alone, together = tmp_path / "alone", tmp_path / "together"
    first, second = train_alone(folder, alone, chosen), train_together(folder, together, chosen, strategy)
    assert_close(first, second)
    begin = fresh_weights(folder, decoders)
    for name in decoders.strip("[]").split(","):  # every decoder had its turn
        layer = f"heads.{name}.projector.layer1.weight"
        assert float((first[layer] - begin[layer]).abs().max()) > 1e-3
    own, other = losses(alone), losses(together)
    assert own.keys() == other.keys() == set(range(STEPS))
    for step in own:
        assert float(own[step]) == pytest.approx(float(other[step]), abs=1e-5)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_an_idle_projector_does_not_move(folder: Path, tmp_path: Path, strategy: str) -> None:
    """One step trains one decoder: the other's projector and task tokens stay, to the last bit."""
    trained, idle = "one", "two"
    end = train_together(folder, tmp_path / "run", overrides(folder, "[one,two]", steps=1), strategy)
    begin = fresh_weights(folder, "[one,two]")
    assert end.keys() == begin.keys()
    for name, tensor in end.items():
        if name.startswith(f"heads.{idle}."):
            assert torch.equal(tensor, begin[name]), name
    moved = {name for name, tensor in end.items() if not torch.equal(tensor, begin[name])}
    assert {f"heads.{trained}.projector.layer1.weight", f"heads.{trained}.projector.layer2.weight"} <= moved
    assert "encoder.backbone.layers.0.mlp.up_proj.weight" in moved


def test_checkpoints_move_between_strategies(folder: Path, tmp_path: Path) -> None:
    """From one process to divided weights, on to DDP and back to one: as if nothing had happened."""
    chosen = [*overrides(folder, "[one,two]"), "callbacks.checkpoint.every_n_train_steps=1"]
    keep = [*chosen, "callbacks.checkpoint.save_top_k=-1"]
    whole = train_alone(folder, tmp_path / "whole", keep)

    def go_on(before: str, step: int, name: str, strategy: str | None) -> dict[str, Tensor]:
        start_at = [*keep, f"resume='{tmp_path / before}/checkpoints/step={step}.ckpt'"]
        run = tmp_path / name
        return train_together(folder, run, start_at, strategy) if strategy else train_alone(folder, run, start_at)

    assert_close(whole, go_on("whole", 1, "divided", "fsdp"))
    assert_close(whole, go_on("divided", 2, "copied", "ddp"))
    assert_close(whole, go_on("divided", 3, "alone", None))
    assert_close(whole, go_on("copied", 3, "divided_again", "fsdp"))


def test_divided_weights_need_one_group_of_contexts(folder: Path, tmp_path: Path) -> None:
    chosen = [*overrides(folder, "one"), "model.length_buckets=4", "trainer=fsdp", "trainer.accelerator=cpu"]
    process = start("arc-train", "--config-dir", str(folder), *chosen, "paths.run=run", cwd=tmp_path)
    output, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "length_buckets=4: with sharded weights all processes must encode equally often" in output
