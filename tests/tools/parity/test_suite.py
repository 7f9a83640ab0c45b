"""`arc-parity`: every golden case agrees, and one that is off is found."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from arc_encoder.commands.measurements import parity
from arc_encoder.core.errors import DataError
from arc_encoder.tools.parity.comparison import Comparison
from arc_encoder.tools.parity.suite import find_cases, run_suite
from tests.tools.parity import PARITY

needs_parity = pytest.mark.skipif(not PARITY.is_dir(), reason="the golden vectors (../shared/parity) are not here")
CASE = "multistage_m2_m1_m2"


@needs_parity
def test_every_golden_case_agrees() -> None:
    results = run_suite(PARITY, progress=False)
    assert len(results) >= 27
    assert {found.name: found.problems for found in results if not found.passed} == {}
    by_name = {found.name: found for found in results}
    assert "gradients" in by_name["mean_pooled_queries_pf4"].worst
    assert {"encoder states", "before the projector", "decoder inputs", "logits", "loss"} <= set(by_name[CASE].worst)
    assert "logits" in by_name["generate/icl_multi_decoder_pf4_llm0"].worst


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    shutil.copytree(PARITY / CASE, tmp_path / "deep" / CASE)
    shutil.copytree(PARITY / "generate" / "closed_book", tmp_path / "deep" / "generate" / "closed_book")
    shutil.copytree(PARITY / "mean_pooled_queries_pf4", tmp_path / "deep" / "mean_pooled_queries_pf4")
    shutil.copy(PARITY / "pooling_groups.json", tmp_path / "pooling_groups.json")
    return tmp_path


def off(folder: Path) -> dict[str, list[str]]:
    return {found.name: found.problems for found in run_suite(folder, progress=False) if not found.passed}


@needs_parity
def test_cases_are_found_at_any_depth(golden: Path) -> None:
    assert {place.name for _, place in find_cases(golden)} == {
        CASE,
        "closed_book",
        "mean_pooled_queries_pf4",
        "pooling_groups.json",
    }
    assert off(golden) == {}


@needs_parity
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("rec.enc_layer_1_out", "encoder states"),
        ("cont.enc_out", "encoder output"),
        ("rec.comp_after_bridge", "after the projector"),
        ("cont.dec_inputs_embeds", "decoder inputs"),
        ("instruct.logits", "logits"),
        ("instruct.loss", "loss"),
    ],
)
def test_a_number_that_is_off_is_found(golden: Path, name: str, kind: str) -> None:
    file = golden / "deep" / CASE / "io.safetensors"
    tensors = load_file(file)
    tensors[name].view(-1)[-1] += 1e-4
    save_file(tensors, file)
    ((case, problems),) = off(golden).items()
    assert case == f"deep/{CASE}"
    assert [problem.split(":")[0] for problem in problems] == [kind]


@needs_parity
def test_gradients_and_generations_that_are_off_are_found(golden: Path) -> None:
    file = golden / "deep" / "mean_pooled_queries_pf4" / "grads_rec.safetensors"
    tensors = load_file(file)
    tensors["embedder.layers.0.attention.wq.weight"][3, 3] += 1e-3
    save_file(tensors, file)
    record = golden / "deep" / "generate" / "closed_book" / "io.json"
    content = json.loads(record.read_text())
    content["generated_tokens"][0][-1] += 1
    record.write_text(json.dumps(content))
    problems = off(golden)
    assert problems["deep/mean_pooled_queries_pf4"][0].startswith("gradients: differs by")
    assert problems["deep/generate/closed_book"][0].startswith("tokens:")


@needs_parity
def test_a_broken_case_hides_no_other(golden: Path) -> None:
    (golden / "deep" / CASE / "io.safetensors").write_bytes(b"broken")
    assert list(off(golden)) == [f"deep/{CASE}"]


@needs_parity
def test_the_command_prints_a_row_for_each_case(
    golden: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["arc-parity", str(golden)])
    with pytest.raises(SystemExit) as left:
        parity.main()
    printed = capsys.readouterr().out
    assert left.value.code == 0
    assert printed.count(" agrees |") == 4
    assert "4 of 4 cases agree within 1e-05 (logits 2e-05)" in printed
    (golden / "pooling_groups.json").write_text(
        json.dumps({"groups": {"-2": {"5": [2, 2, 1]}, "-4": {"10": [4, 4, 2]}}})
    )
    with pytest.raises(SystemExit) as left:
        parity.main()
    printed = capsys.readouterr().out
    assert left.value.code == 1
    assert "| pooling_groups.json | 4 | 0.0e+00 | – | OFF |" in " ".join(printed.split())
    assert "sizes of 10 tokens at rate -4: [4, 3, 3], recorded [4, 4, 2]" in printed


def test_nothing_to_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match="holds no golden case"):
        run_suite(tmp_path)
    monkeypatch.setattr(sys, "argv", ["arc-parity", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit) as left:
        parity.main()
    assert left.value.code == 2
    assert "is no folder" in capsys.readouterr().err


def test_comparisons() -> None:
    found = Comparison("x")
    assert not found.passed  # nothing was compared
    found.close("a", torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 5e-6]))
    assert found.passed
    assert found.worst_of_all == pytest.approx(5e-6, rel=0.1)
    found.close("b", torch.tensor([1.0]), torch.tensor([1.0, 2.0]))
    found.close("c", torch.tensor([float("nan")]), torch.tensor([1.0]))
    assert [problem.split(":")[0] for problem in found.problems] == ["b", "c"]
