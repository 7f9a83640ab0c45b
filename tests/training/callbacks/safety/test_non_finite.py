"""NonFinite: no bad loss or gradient reaches a weight; the batch is named; the run stops or leaves the step out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor

from arc_encoder.core.errors import ConfigError
from arc_encoder.training.callbacks import NonFinite, StepCheckpoint
from arc_encoder.training.callbacks.safety.non_finite import NonFiniteError
from tests.training.conftest import Fit, Record


class Spoil(Callback):
    """Makes the loss or a gradient of chosen batches infinite or not a number."""

    def __init__(self, *batches: int, value: float = math.nan, what: str = "loss") -> None:
        self.batches, self.value, self.what = batches, value, what
        self.batch = -1

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.batch = batch_idx

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:
        if self.batch in self.batches and self.what == "loss":
            with torch.no_grad():
                loss.mul_(self.value) if math.isnan(self.value) else loss.fill_(self.value)

    def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
        if self.batch in self.batches and self.what == "gradient":
            next(p for p in pl_module.parameters() if p.grad is not None).grad.view(-1)[0] = self.value


def weights(module: Any) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.model.compressor.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("what", ["loss", "gradient"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_batch_is_named_and_the_last_good_step_kept(fit: Fit, tmp_path: Path, what: str, value: float) -> None:
    seen = Record(lambda trainer, module: weights(module))
    checkpoint = StepCheckpoint(str(tmp_path / "checkpoints"), every_n_train_steps=100)
    with pytest.raises(NonFiniteError) as caught:
        fit(Spoil(2, value=value, what=what), NonFinite(), seen, checkpoint, steps=5, enable_checkpointing=True)
    text = str(caught.value)
    kind = "the loss is infinite" if what == "loss" else "the loss is finite, but the gradient is infinite"
    assert text.startswith(
        f"optimizer step 3: {kind} or not a number: batch 2 (task reconstruction, decoder decoder, samples "
    )
    assert "text-" in text
    assert "The weights are those after step 2." in text
    assert 'policy "skip"' in text
    saved = torch.load(tmp_path / "checkpoints" / "step=2.ckpt", weights_only=True)
    assert saved["global_step"] == 2
    kept = {name.removeprefix("model._compressor."): tensor for name, tensor in saved["state_dict"].items()}
    assert same(kept, seen.seen[2])
    # and it continues to what would have been, once the cause is gone
    _, resumed = fit(NonFinite(), steps=5, resume=tmp_path / "checkpoints" / "step=2.ckpt")
    _, whole = fit(steps=5)
    assert same(weights(resumed), weights(whole))


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_steps_that_are_looked_at_together_are_named_and_never_saved(fit: Fit, tmp_path: Path, what: str) -> None:
    folder = tmp_path / "checkpoints"
    checkpoint = StepCheckpoint(str(folder), every_n_train_steps=2)
    with pytest.raises(NonFiniteError) as caught:
        fit(Spoil(2, what=what), NonFinite(every_n_steps=50), checkpoint, steps=9, enable_checkpointing=True)
    text = str(caught.value)
    assert text.startswith("optimizer step 3: the loss is ")
    assert "batch 2 (task reconstruction, decoder decoder, samples text-" in text
    assert "The weights are spoilt since then" in text
    assert [file.name for file in folder.iterdir()] == ["step=2.ckpt"]  # that of step 4 was due when it was found
    kept = torch.load(folder / "step=2.ckpt", weights_only=True)["state_dict"]
    assert all(tensor.isfinite().all() for tensor in kept.values())
    _, resumed = fit(NonFinite(), steps=9, resume=folder / "step=2.ckpt")
    _, whole = fit(steps=9)
    assert same(weights(resumed), weights(whole))


def test_so_many_steps_are_looked_at_together(fit: Fit) -> None:
    seen = Record(lambda trainer, module: trainer.global_step)
    with pytest.raises(NonFiniteError, match="optimizer step 2: "):
        fit(Spoil(1), NonFinite(every_n_steps=3), seen, steps=9, val_check_interval=9)
    assert len(seen.seen) == 3  # found before the third step was made
    with pytest.raises(NonFiniteError, match="optimizer step 9: "):
        fit(Spoil(8), NonFinite(every_n_steps=50), steps=9)
    with pytest.raises(NonFiniteError, match="optimizer step 2: "):
        fit(Spoil(1), NonFinite(every_n_steps=50), steps=9, val_check_interval=4)
    fit(NonFinite(every_n_steps=50), steps=3)


def test_another_failure_does_not_save_weights_that_are_spoilt(fit: Fit, tmp_path: Path) -> None:
    class Fails(Callback):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            if batch_idx == 4:
                raise RuntimeError("something else")

    folder = tmp_path / "checkpoints"
    checkpoint = StepCheckpoint(str(folder), every_n_train_steps=100)
    with pytest.raises(NonFiniteError, match="optimizer step 3: "):
        fit(Spoil(2), NonFinite(every_n_steps=50), Fails(), checkpoint, steps=9, enable_checkpointing=True)
    assert not list(folder.glob("*"))


def test_who_leaves_steps_out_looks_at_each() -> None:
    with pytest.raises(ConfigError, match="every_n_steps=2 would find a bad step after it was made"):
        NonFinite("skip", every_n_steps=2)
    with pytest.raises(ConfigError, match="every_n_steps=0"):
        NonFinite(every_n_steps=0)


def test_without_it_the_weights_are_lost(fit: Fit) -> None:
    _, module = fit(Spoil(2, what="gradient"), steps=4)
    assert any(tensor.isnan().any() for tensor in weights(module).values())


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_step_that_is_left_out_moves_nothing(fit: Fit, what: str) -> None:
    guard, seen = NonFinite("skip"), Record(lambda trainer, module: weights(module))
    with pytest.warns(UserWarning, match=r"batch 2 .*this step is left out \(1 so far, 1 in a row\)"):
        trainer, module = fit(Spoil(2, what=what), guard, seen, steps=5)
    assert same(seen.seen[2], seen.seen[3])  # neither momentum nor weight decay
    assert not same(seen.seen[3], seen.seen[4])
    assert (guard.skipped, guard.in_a_row, trainer.global_step) == (1, 0, 5)
    assert float(trainer.callback_metrics["train/skipped_steps"]) == 1
    assert all(tensor.isfinite().all() for tensor in weights(module).values())


def test_of_accumulated_batches_the_bad_one_is_named_and_the_whole_step_left_out(fit: Fit) -> None:
    guard, seen = NonFinite("skip"), Record(lambda trainer, module: weights(module))
    with pytest.warns(UserWarning, match=r"optimizer step 2: the loss .*: batch 2 \(") as caught:
        fit(Spoil(2), guard, seen, steps=3, accumulate_grad_batches=2, val_check_interval=6)
    assert "batch 3 (" not in str(next(each.message for each in caught if "left out" in str(each.message)))
    assert same(seen.seen[2], seen.seen[4])
    assert not same(seen.seen[4], seen.seen[5]) or not same(seen.seen[0], seen.seen[2])


def test_bad_steps_without_end_stop_the_run(fit: Fit) -> None:
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(NonFiniteError, match="this was bad step number 3 in a row"),
    ):
        fit(Spoil(1, 3, 4, 5), NonFinite("skip", 3), steps=9)
    with pytest.warns(UserWarning, match="left out"):
        fit(Spoil(1, 2, 4, 5), NonFinite("skip", 3), steps=9)  # a good one in between starts the count again


def test_the_count_goes_into_checkpoints(fit: Fit, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="left out"):
        fit(Spoil(0, 1), NonFinite("skip"), StepCheckpoint(str(tmp_path)), steps=2, enable_checkpointing=True)
    again = NonFinite("skip")
    fit(again, steps=2, resume=tmp_path / "step=2.ckpt")
    assert (again.skipped, again.in_a_row) == (2, 2)


def test_bfloat16_is_watched_too(fit: Fit) -> None:
    guard = NonFinite("skip")
    with pytest.warns(UserWarning, match="left out"):
        fit(Spoil(1), guard, steps=3, precision="bf16-mixed")
    assert guard.skipped == 1


def half() -> Any:
    """16-mixed with its scaler of losses, on the CPU."""
    return MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=4.0))


def test_the_search_for_a_loss_scale_is_not_a_bad_step(fit: Fit) -> None:
    """A gradient that overflows in float16 is left out by the scaler; only without end, or with a bad loss, is it an error."""
    seen = Record(lambda trainer, module: weights(module))
    overflow = {"what": "gradient", "value": math.inf}
    trainer, module = fit(Spoil(1, **overflow), NonFinite("stop"), seen, steps=3, plugins=[half()])
    assert same(seen.seen[1], seen.seen[2])
    assert not same(seen.seen[2], weights(module))
    assert trainer.precision_plugin.scaler.get_scale() == 2.0
    with pytest.raises(NonFiniteError, match="bad step number 2 in a row"):
        fit(Spoil(1, 2, **overflow), NonFinite("stop", 2), steps=4, plugins=[half()])
    with pytest.raises(NonFiniteError, match="the loss is infinite"):
        fit(Spoil(1), NonFinite("stop"), steps=3, plugins=[half()])


def test_a_step_is_left_out_with_a_scaler_too(fit: Fit) -> None:
    seen = Record(lambda trainer, module: weights(module))
    with pytest.warns(UserWarning, match="left out"):
        _, module = fit(Spoil(1), NonFinite("skip"), seen, steps=3, plugins=[half()])
    assert same(seen.seen[1], seen.seen[2])
    assert not same(seen.seen[2], weights(module))


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="choose one of stop, skip"):
        NonFinite("ignore")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="max_consecutive=0"):
        NonFinite(max_consecutive=0)
