"""Folders of finished evaluations, as arc-eval writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib import pyplot

from arc_encoder.evaluation.benchmarks import ExampleResult
from arc_encoder.evaluation.runs.results import Cost, Part, Row, rows_of, write_examples, write_results

Finished = Callable[..., Path]


def part(system: str = "arc", factor: int | None = 4, **values: Any) -> Part:
    named = {"decoder": "toy_a", "benchmark": "toy_qa", "version": 1, "protocol": "strict", "shots": 5, "seed": 0}
    return Part(system=system, pooling_factor=factor, **{**named, **values})


def cost_of(each: Part, positions: float, tokens: float = 300.0) -> Cost:
    return Cost(
        **vars(each),
        document_positions=positions,
        document_tokens=tokens,
        stored_bytes=100.0 * positions,
        prompt_positions=positions + 20,
        encoder_gflops=0.1,
        decoder_gflops=positions / 100,
        first_token_ms=positions / 10,
        seconds=1.0,
        peak_memory_gib=0.5,
        decoder_modified=False,
    )


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    """Drawings that a test has only looked at are not kept."""
    yield
    pyplot.close("all")


@pytest.fixture
def finished(tmp_path: Path) -> Finished:
    """Write a run: `scores` are lists of one exact match an example, by part."""

    def make(
        name: str,
        scores: dict[Part, list[float]],
        *,
        conditions: dict[str, Any] | None = None,
        status: str = "finished",
        details: Callable[[int], dict[str, Any]] = lambda i: {},
        metric: str = "exact_match",
        modified: bool = False,
    ) -> Path:
        folder = tmp_path / name
        rows: list[Row] = []
        costs: list[Cost] = []
        for each, values in scores.items():
            positions = 300 // (each.pooling_factor or 1)
            results = [
                ExampleResult(
                    f"q{i}",
                    {metric: value},
                    positions,
                    weights=details(i).get("weights", {}),
                    details={
                        "question": f"Q{i}?",
                        "answer": f"{each.system} {i}",
                        "accepted": [f"a{i}"],
                        **{key: value for key, value in details(i).items() if key != "weights"},
                    },
                )
                for i, value in enumerate(values)
            ]
            rows += rows_of(results, each)
            costs.append(
                replace(
                    cost_of(each, positions, 300.0 if each.benchmark == "toy_qa" else 60.0), decoder_modified=modified
                )
            )
            write_examples(folder / "examples" / f"{each.slug}.jsonl", results)
        write_results(folder / "results.json", rows, costs, {"status": status, "conditions": conditions or {}})
        return folder

    return make
