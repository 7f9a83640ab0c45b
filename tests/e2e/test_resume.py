"""A run that was stopped and resumed is, bit for bit, the run that was never stopped."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import load_file

from arc_encoder.training.callbacks.safety.stop_on_signal import AGAIN
from tests.tiny_runs import finish, losses, model_overrides, run_train, short_overrides, start


class Stopped(Exception):
    """What ends a run too early in these tests."""


class Bomb(Callback):
    """Stops the run when it is about to train batch number `batch`."""

    def __init__(self, batch: int) -> None:
        self.batch = batch

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == self.batch:
            raise Stopped


def assert_same_weights(one: Path, other: Path) -> None:
    first, second = (load_file(run / "compressor" / "model.safetensors") for run in (one, other))
    assert first.keys() == second.keys()
    different = [name for name in first if not torch.equal(first[name], second[name])]
    assert not different


def overrides(model: Path, *, accumulate: int = 1, workers: int = 0, steps: int = 8, every: int = 3) -> list[str]:
    return [
        *model_overrides(model),
        *short_overrides(steps=steps),
        "data.factors={2: 1, 4: 1}",
        f"trainer.val_check_interval={steps * accumulate // 2}",
        f"trainer.accumulate_grad_batches={accumulate}",
        f"callbacks.checkpoint.every_n_train_steps={every}",
        f"data.workers={workers}",
    ]


@pytest.fixture(scope="module")
def uninterrupted(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], tuple[Path, float | None]]:
    """Folder and final validation loss of the run that was never stopped, by accumulated batches."""
    made: dict[int, tuple[Path, float | None]] = {}

    def run(accumulate: int) -> tuple[Path, float | None]:
        if accumulate not in made:
            folder = tmp_path_factory.mktemp("whole")
            made[accumulate] = folder, run_train(folder, overrides(tiny_model, accumulate=accumulate))
        return made[accumulate]

    return run


# The batch at which a run of 8 steps stops: before, on and after a checkpoint (3, 6) and a validation (4);
# with accumulation also between the two batches of one optimizer step.
@pytest.mark.parametrize(("accumulate", "batch"), [(1, 3), (1, 4), (1, 7), (2, 8), (2, 9), (2, 15)])
def test_a_run_that_fails_anywhere_goes_on_exactly(
    tiny_model: Path, tmp_path: Path, uninterrupted: Any, accumulate: int, batch: int
) -> None:
    chosen = overrides(tiny_model, accumulate=accumulate)
    whole, value = uninterrupted(accumulate)
    bomb = ["+callbacks.bomb._target_=tests.e2e.test_resume.Bomb", f"+callbacks.bomb.batch={batch}"]
    with pytest.raises(Stopped):
        run_train(tmp_path, [*chosen, *bomb])
    assert not (tmp_path / "compressor").exists()
    assert set(losses(tmp_path)) == set(range(batch // accumulate))
    again = run_train(tmp_path, [*chosen, f"resume={tmp_path}"])
    assert losses(tmp_path) == losses(whole)
    assert set(losses(whole)) == set(range(8))
    assert value == again  # the validation at the end
    assert_same_weights(whole, tmp_path)


def test_a_run_can_be_stopped_twice(tiny_model: Path, tmp_path: Path, uninterrupted: Any) -> None:
    """The first checkpoint of a resumed run may fall between two batches of one step."""
    chosen = overrides(tiny_model, accumulate=2, every=2)
    whole, _ = uninterrupted(2)
    bomb = ["+callbacks.bomb._target_=tests.e2e.test_resume.Bomb"]
    with pytest.raises(Stopped):
        run_train(tmp_path, [*chosen, *bomb, "+callbacks.bomb.batch=5"])
    with pytest.raises(Stopped):
        run_train(tmp_path, [*chosen, *bomb, "+callbacks.bomb.batch=9", f"resume={tmp_path}"])
    run_train(tmp_path, [*chosen, f"resume={tmp_path}"])
    assert losses(tmp_path) == losses(whole)
    assert_same_weights(whole, tmp_path)


def test_a_checkpoint_file_can_be_named(tiny_model: Path, tmp_path: Path) -> None:
    chosen = [*overrides(tiny_model), "callbacks.checkpoint.save_top_k=-1"]
    whole, rest = tmp_path / "whole", tmp_path / "rest"
    run_train(whole, chosen)
    run_train(rest, [*chosen, f"resume='{whole}/checkpoints/step=6.ckpt'"])
    assert losses(rest) == {step: loss for step, loss in losses(whole).items() if step >= 6}
    assert_same_weights(whole, rest)


def test_a_checkpoint_of_a_good_validation_goes_on_exactly_too(tiny_model: Path, tmp_path: Path) -> None:
    """It was written when the validation had ended, which is not done again."""
    chosen = [*overrides(tiny_model), "callbacks=[default,best]", "callbacks.checkpoint_best.save_top_k=-1"]
    whole, rest = tmp_path / "whole", tmp_path / "rest"
    run_train(whole, chosen)
    run_train(rest, [*chosen, f"resume='{whole}/best/step=4.ckpt'"])
    assert losses(rest) == {step: loss for step, loss in losses(whole).items() if step >= 4}
    assert sorted(file.name for file in (rest / "best").iterdir()) == ["step=8.ckpt"]
    assert_same_weights(whole, rest)


def test_a_longer_run_can_go_on_from_a_finished_one(tiny_model: Path, tmp_path: Path) -> None:
    chosen = overrides(tiny_model, every=4)
    run_train(tmp_path / "short", chosen)
    run_train(tmp_path / "longer", [*chosen, "trainer.max_steps=12", f"resume={tmp_path / 'short'}"])
    assert set(losses(tmp_path / "longer")) == set(range(8, 12))


def test_the_checkpoint_holds_what_is_trained_and_nothing_of_the_decoders(tiny_model: Path, tmp_path: Path) -> None:
    run_train(tmp_path, overrides(tiny_model, every=8))
    checkpoint = torch.load(tmp_path / "checkpoints" / "step=8.ckpt", weights_only=True)
    trained = load_file(tmp_path / "compressor" / "model.safetensors")
    prefix = "model._compressor."
    saved = {
        name.removeprefix(prefix): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(prefix)
    }
    assert len(saved) == len(checkpoint["state_dict"])
    assert saved.keys() == trained.keys()
    assert all(torch.equal(saved[name], tensor) for name, tensor in trained.items())
    assert len(checkpoint["optimizer_states"][0]["state"]) == len(trained)
    assert checkpoint["global_step"] == 8


def wait_for(path: Path, pattern: str, process: Any, seconds: float = 600) -> Path:
    """The first file that matches, while the process runs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = list(path.glob(pattern))
        if found:
            return found[0]
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    raise AssertionError(f"no {pattern} in {path} after {seconds} s")


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute on an idle machine
@pytest.mark.parametrize(
    ("accumulate", "workers", "how"),
    [(2, 0, signal.SIGKILL), (1, 2, signal.SIGTERM)],
)
def test_a_killed_command_is_resumed_bit_for_bit(
    tiny_model: Path, tmp_path: Path, accumulate: int, workers: int, how: signal.Signals
) -> None:
    chosen = overrides(tiny_model, accumulate=accumulate, workers=workers, steps=300, every=40)
    chosen += ["+logger.csv.flush_logs_every_n_steps=1", "hydra.run.dir=hydra"]
    whole, part = tmp_path / "whole", tmp_path / "part"
    finish(start("arc-train", *chosen, f"paths.run={whole}", cwd=tmp_path))
    killed = start("arc-train", *chosen, f"paths.run={part}", cwd=tmp_path)
    try:
        wait_for(part / "checkpoints", "step=[48]0.ckpt", killed)
        while 40 not in losses(part) and killed.poll() is None:  # a step is logged after its checkpoint: not in between
            time.sleep(0.02)
        killed.send_signal(how)
        killed.communicate(timeout=300)
    finally:
        killed.kill()
    assert killed.returncode == (-signal.SIGKILL if how is signal.SIGKILL else AGAIN)
    assert not (part / "compressor").exists()
    reached = losses(part)
    assert 41 <= len(reached) < 300
    finish(start("arc-train", *chosen, f"resume={part}", f"paths.run={part}", cwd=tmp_path))
    assert losses(part) == losses(whole)
    assert set(losses(whole)) == set(range(300))
    resumed = losses_of_last(part)
    # SIGTERM saves where it stops; after SIGKILL up to 40 steps are done again
    assert min(resumed) in ({len(reached), len(reached) - 1} if how is signal.SIGTERM else range(40, 300, 40))
    assert_same_weights(whole, part)


def losses_of_last(run: Path) -> dict[int, str]:
    """Steps of the last start of a run alone."""
    last = max(run.glob("csv/version_*"), key=lambda folder: int(folder.name.split("_")[1]))
    alone = run / "last"
    (alone / "csv").mkdir(parents=True)
    (alone / "csv" / "version_0").symlink_to(last)
    return losses(alone)
