"""Rows of a results table, and writing them so that no file is ever half-written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from arc_encoder.evaluation.benchmarks import ExampleResult
from arc_encoder.evaluation.metrics import confidence_interval


@dataclass(frozen=True)
class Row:
    """One figure: a metric of a system on a benchmark.

    Attributes:
        system: closed_book, open_book, truncate, arc, ….
        decoder: name of the decoder.
        pooling_factor: tokens per vector of the ARC-Encoder (its budget for truncation), None for text systems.
        benchmark: name of the benchmark.
        version: of the benchmark.
        metric: exact_match, f1, rouge_l and bleu in percent, loss in nats a token, ….
        value: mean over examples.
        ci_low, ci_high: 95 % bootstrap interval.
        examples: how many.
        document_positions: mean decoder positions that documents take in a prompt.
    """

    system: str
    decoder: str
    pooling_factor: int | None
    benchmark: str
    version: int
    metric: str
    value: float
    ci_low: float
    ci_high: float
    examples: int
    document_positions: float


def rows_of(
    results: list[ExampleResult],
    *,
    system: str,
    decoder: str,
    pooling_factor: int | None,
    benchmark: str,
    version: int,
) -> list[Row]:
    """Mean and interval of every metric."""
    rows = []
    positions = sum(result.document_positions for result in results) / len(results)
    for name in results[0].scores:
        weights = [result.weights.get(name, 1.0) for result in results]
        values = [result.scores[name] * weight for result, weight in zip(results, weights, strict=True)]
        value, low, high = confidence_interval(values, weights)
        rows.append(
            Row(system, decoder, pooling_factor, benchmark, version, name, value, low, high, len(results), positions)
        )
    return rows


def surviving_share(rows: Iterable[Row], pooling_factor: int, decoder: str | None = None) -> float | None:
    """(loss_none − loss_arc) ÷ (loss_none − loss_full): the part of the context's benefit that compression keeps."""
    losses = {
        row.system: row.value
        for row in rows
        if row.metric == "loss" and row.pooling_factor in (None, pooling_factor) and decoder in (None, row.decoder)
    }
    if not {"closed_book", "open_book", "arc"} <= losses.keys() or losses["closed_book"] == losses["open_book"]:
        return None
    return (losses["closed_book"] - losses["arc"]) / (losses["closed_book"] - losses["open_book"])


def write_json(path: Path, value: Any) -> None:
    """Write JSON to a neighbouring file, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    os.replace(part, path)


def write_results(path: Path, rows: Iterable[Row], extra: dict[str, Any] | None = None) -> None:
    """results.json: {"rows": [...], ...}."""
    write_json(path, {**(extra or {}), "rows": [asdict(row) for row in rows]})


def write_examples(path: Path, results: Iterable[ExampleResult]) -> None:
    """One JSON line an example, for people who want to read what went wrong."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w") as lines:
        for result in results:
            record = {
                "id": result.id,
                **result.scores,
                "document_positions": result.document_positions,
                **result.details,
            }
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
    os.replace(part, path)
