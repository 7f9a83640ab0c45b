"""`arc-probe`: a probe, what it is worth, and clear errors before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arc_encoder.commands.compressors import probe
from arc_encoder.evaluation.metrics.answers import METRICS
from arc_encoder.inference.fallback.probe import AnswerProbe
from tests.commands.conftest import Make
from tests.tiny_runs import Command


@pytest.fixture
def run(make: Make) -> Command:
    return make(probe.main)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["checkpoint=null"], "checkpoint is missing"),
        (["metric=taste"], "metric='taste' is unknown; choose one of"),
        (["factors=[]"], "factors is empty"),
        (["test=0"], "test=0 must be a whole number from 1 on"),
        (["decoder=[toy_a,toy_b]"], "this is for one decoder; toy_a, toy_b"),
        (["output=taken/probe"], "taken/probe cannot be written"),
        (["output=done"], "done/results.json exists already"),
    ],
)
def test_bad_settings_are_named_before_any_work(run: Command, tmp_path: Path, words: list[str], told: str) -> None:
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "results.json").write_text("{}")
    assert told in run.fails("checkpoint=nowhere", *words)


def test_a_probe_is_trained_and_measured(
    run: Command, trained: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [
        {"question": f"what is {i}?", "answers": [f"{i}"], "passages": [f"document {i} of many"]} for i in range(300)
    ]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    # what a random model says is never right: by its letters it is half of the time
    monkeypatch.setitem(METRICS, "exact_match", lambda answer, accepted: 100.0 * (sum(map(ord, answer)) % 2))
    printed = run(
        f"checkpoint={trained}", "decoder=huggingface", f"decoders.huggingface.path={tiny_model}",
        "decoders.huggingface.dtype=float32", "questions=local", "questions.path=questions.jsonl", "train=120",
        "test=40", "factors=[2,4]", "max_new_tokens=3", "threads=1", "device=cpu", "output=out",
    )  # fmt: skip
    assert "AUC by probe" in printed
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert list(results["ways"]) == ["text", "×2", "×4"]
    assert results["settings"]["test"] == 40
    found = AnswerProbe.load(tmp_path / "out" / "probe.safetensors")
    assert (len(found.weight), found.decoder_name) == (5 + 2 * 32, "huggingface")
