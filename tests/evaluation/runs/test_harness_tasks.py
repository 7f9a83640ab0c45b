"""Whole tasks of lm-evaluation-harness, from a file, run by its own evaluator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="lm-evaluation-harness (extra lm-eval) is not installed")
pytest.importorskip("datasets", reason="datasets, which the harness reads files with, is not installed")

from lm_eval.evaluator import simple_evaluate

from arc_encoder.evaluation.runs.harness import HarnessModel
from arc_encoder.evaluation.session.session import Session

LONG = "The lamp is red. " * 12


def task(folder: Path, kind: str, **more: Any) -> dict[str, Any]:
    file = folder / "asked.jsonl"
    lines = [
        {"text": f"{LONG}It is {colour}.", "choices": ["red", "blue"], "answer": i}
        for i, colour in enumerate(["red", "blue"])
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {
        "task": f"mine_{kind}",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(file)}, "cache_dir": str(folder / "cache")},
        "test_split": "test",
        "output_type": kind,
        "doc_to_text": "{{text}}",
        **more,
    }


TASKS: dict[str, dict[str, Any]] = {
    "multiple_choice": {
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{answer}}",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    },
    "generate_until": {
        "doc_to_target": "{{choices[answer]}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4, "do_sample": False},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    },
    "loglikelihood_rolling": {
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "metric_list": [{"metric": "word_perplexity", "aggregation": "weighted_perplexity", "higher_is_better": False}],
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(TASKS))
def test_a_task_of_each_kind_runs_on_a_compressor(session: Session, tmp_path: Path, kind: str) -> None:
    model = HarnessModel(session, keep=16, max_new_tokens=4)
    found = simple_evaluate(model, tasks=[task(tmp_path, kind, **TASKS[kind])], bootstrap_iters=0, log_samples=True)
    assert found is not None
    (name,) = found["results"]
    metric = TASKS[kind]["metric_list"][0]["metric"]
    value = found["results"][name][f"{metric},none"]
    assert (0 <= value <= 1) if kind != "loglikelihood_rolling" else value > 1
    assert len(found["samples"][name]) == 2
    assert session.meter.contexts > 0  # prompts were compressed
