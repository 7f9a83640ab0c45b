"""The check of a GPU, at tiny sizes on the CPU."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from tools.gpu import check
from tools.gpu.models import DECODER, paper, random_model, tiny
from tools.gpu.report import gpu_report

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "parity"
CPU = torch.device("cpu")


def checked(tmp_path: Path, *parts: str, golden: Path | None = None) -> dict[str, Any]:
    return check.check_gpu(CPU, size="tiny", parts=parts, output=tmp_path, golden=golden, words=[])


def test_step_and_first_token_are_measured(tmp_path: Path) -> None:
    results = checked(tmp_path, "step", "first_token")
    step = results["parts"]["step"]["result"]
    assert step["batch_size"] == 4
    assert step["seconds"] > 0
    assert step["loss_is_finite"]
    assert step["peak_memory_gib"] is None  # a CPU's is not measured
    rows = results["parts"]["first_token"]["result"]
    assert [(row["tokens"], row["factor"], row["positions"]) for row in rows] == [
        (64, 4, 17),
        (64, 8, 9),
        (256, 4, 65),
        (256, 8, 33),
    ]
    report = gpu_report(results)
    assert "| batch size" in report
    assert "×8" in report


def test_padded_and_packed_contexts_are_measured(tmp_path: Path) -> None:
    results = checked(tmp_path, "packing")
    rows = results["parts"]["packing"]["result"]
    assert [(row["way"], row["tokens"]) for row in rows] == [("padded", 128), ("buckets", 88), ("packed", 80)]
    assert all(row["forward_ms"] > 0 and row["step_ms"] > 0 for row in rows)
    assert all(row["difference"] < 0.05 for row in rows)
    assert "| packed" in gpu_report(results)


def test_a_part_that_fails_is_told_and_does_not_end_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(check, "measure_step", fails)
    monkeypatch.setattr(check, "measure_first_token", lambda *_: [])
    results = checked(tmp_path, "step", "first_token", "golden")
    assert results["parts"]["step"]["error"] == "RuntimeError: out of memory"
    assert results["parts"]["first_token"]["result"] == []
    report = gpu_report(results)
    assert "FAILED: RuntimeError: out of memory" in report
    assert "Not run: no golden cases were given." in report


@pytest.mark.skipif(not SHARED.is_dir(), reason="the golden vectors are not available")
@pytest.mark.slow
def test_golden_cases_agree_in_both_dtypes(tmp_path: Path) -> None:
    found = checked(tmp_path, "golden", golden=SHARED)["parts"]["golden"]["result"]
    assert [row["dtype"] for row in found] == ["float32", "bfloat16"]
    assert all(row["passed"] == row["cases"] == 27 for row in found), found


def test_the_random_models_have_the_papers_sizes() -> None:
    with torch.device("meta"):
        model = random_model(paper(), torch.device("meta"), factor=8, dtype=torch.bfloat16)
    encoder = sum(p.numel() for p in model.compressor.encoder.parameters())
    assert 2.9e9 < encoder < 3.1e9  # Pilchen et al., 2025, §4.1
    assert 7.9e9 < sum(p.numel() for p in model.decoder(DECODER).parameters()) < 8.1e9
    assert sum(p.numel() for p in tiny_model().compressor.parameters()) < 1e5


def tiny_model() -> Any:
    return random_model(tiny(), CPU, factor=4, dtype=torch.float32)


@pytest.mark.slow
def test_the_script_runs_everything_and_writes_both_files(tmp_path: Path) -> None:
    quickstart = ["pretrain_steps=4", "finetune_steps=4", "limit=4", "threads=1"]
    command = [ROOT / "tools" / "gpu_check.sh", "--size", "tiny", "--device", "cpu", "--output", tmp_path / "out"]
    ended = subprocess.run(
        [*command, "--quickstart", *quickstart], capture_output=True, text=True, check=False, timeout=600
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert set(found["parts"]) == {"golden", "step", "packing", "first_token", "quickstart"}
    assert set(found["parts"]["quickstart"]["result"]["surviving_share"]) == {"4", "8"}
    assert (tmp_path / "out" / "gpu.md").read_text().strip() in ended.stdout
