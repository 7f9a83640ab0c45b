"""SIGKILL at random moments: whatever is killed, the run continues to the uninterrupted run's exact losses and weights."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests import kills
from tests.e2e.test_resume import assert_same_weights
from tests.tiny_runs import model_overrides, short_overrides

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # a minute and a half on an idle machine


def words(model: Path, run: Path, *, steps: int, accumulate: int, workers: int) -> list[str]:
    return [
        *model_overrides(model),
        *short_overrides(steps=steps),
        "data.factors={2: 1, 4: 1}",
        f"trainer.val_check_interval={5 * accumulate}",
        f"trainer.accumulate_grad_batches={accumulate}",
        f"data.workers={workers}",
        "data.validation_batches=4",
        "callbacks=[default,ema,best]",
        "callbacks.checkpoint.every_n_train_steps=3",
        "+callbacks.record._target_=tests.kills.Record",
        f"+callbacks.record.file={run.with_suffix('.losses')}",
        f"paths.run={run}",
        f"hydra.run.dir={run}",
    ]


@pytest.mark.parametrize(
    ("accumulate", "workers", "steps", "wanted"),
    [(1, 0, 110, 20), (2, 2, 30, 4)],
    ids=["twenty times", "accumulating, two workers"],
)
def test_a_run_that_is_killed_again_and_again(
    tiny_model: Path, tmp_path: Path, accumulate: int, workers: int, steps: int, wanted: int
) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    begun = time.monotonic()
    options = {"steps": steps, "accumulate": accumulate, "workers": workers}
    assert kills.wait(kills.begin(words(tiny_model, whole, **options), tmp_path / "whole.txt")) == 0
    rng = random.Random(accumulate * 10 + workers)
    child = kills.begin(words(tiny_model, part, **options), tmp_path / "part.txt")
    for number in range(wanted):
        if number == 0:  # the very first start gets as far as its configuration
            while not (part / "config.yaml").exists():
                time.sleep(0.001)
        assert kills.kill_somewhere(child, rng, max_steps=25 * accumulate), f"finished after {number} kills"
        child = kills.begin(["--resume", str(part)], tmp_path / "part.txt")
    assert kills.wait(child) == 0, (tmp_path / "part.txt").read_text()[-3000:]
    for kind in (".losses", ".losses.validation"):
        expected, seen = (kills.values(run.with_suffix(kind)) for run in (whole, part))
        assert all(len(each) == 1 for each in expected.values())
        assert seen == expected  # every start that reached a step had its very loss
    assert set(kills.values(whole.with_suffix(".losses"))) == set(range(1, steps + 1))
    assert set(kills.values(whole.with_suffix(".losses.validation"))) == set(range(5, steps + 1, 5))
    assert_same_weights(whole, part)
    assert (whole / "best_compressor" / "model.safetensors").read_bytes() == (
        part / "best_compressor" / "model.safetensors"
    ).read_bytes()
    assert sorted(file.name for file in (part / "checkpoints").iterdir()) == [
        f"step={steps - steps % 3 if steps % 3 else steps - 3}.ckpt",
        f"step={steps}.ckpt",
    ]
    print(f"{wanted} kills, {steps} steps, equal to the last bit, {time.monotonic() - begun:.0f} s")
