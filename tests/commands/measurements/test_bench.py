"""`arc-bench` measures a configuration and prints ratios."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from arc_encoder.commands.measurements import bench
from tests.commands.conftest import Make
from tests.tiny_runs import Command, model_overrides

SMALL = [
    "batches=4",
    "warmup=1",
    "data.batch_size=2",
    "data.tasks.reconstruction.max_tokens=24",
    "data.tasks.continuation.part=12",
]


@pytest.fixture
def run(make: Make) -> Command:
    return make(bench.main)


def test_loader_step_and_padding(run: Command, tiny_model: Path, tmp_path: Path) -> None:
    output = run(*model_overrides(tiny_model), *SMALL, "data.length_pool=4", "workers=[0,1]", "device=cpu")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in output.splitlines() if line.startswith("|")
    ]
    names = [row[0] for row in rows]
    assert [name for name in names if "data" in name or "step" in name] == [
        "data, 0 workers",
        "data, 1 workers",
        "step on cpu",
    ]
    speeds = {row[0]: float(row[2]) for row in rows if re.fullmatch(r"[0-9]+", row[2])}
    data, step = speeds["data, 0 workers"], speeds["step on cpu"]
    ratio = float(next(row[3] for row in rows if row[0] == "data, 0 workers"))
    assert ratio == pytest.approx(data / step, rel=0.1, abs=0.06)
    assert {"1", "4"} <= set(names)
    assert not list(tmp_path.iterdir())


def test_mistakes(run: Command, tiny_model: Path) -> None:
    base = [*model_overrides(tiny_model), *SMALL]
    assert "warmup=4 must be smaller than batches=4" in run.fails(*base, "warmup=4")
    assert "batches=1 must be a whole number from 2 on" in run.fails(*base, "batches=1")
    assert "workers=[]: expected a list" in run.fails(*base, "workers=[]")
    assert "length_pool=0 must be at least 1" in run.fails(*base, "data.length_pool=0")
    assert "trainer.max_steps gives 1; raise it" in run.fails(
        *base, "trainer.max_steps=2", "trainer.val_check_interval=1", "optim.warmup_steps=1", "workers=[0]"
    )
