"""Rows of a results table, and writing them so that no file is ever half-written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from arc_encoder.core.atomic import atomic_file, write_text_atomically
from arc_encoder.evaluation.benchmarks import ExampleResult
from arc_encoder.evaluation.metrics.answers import confidence_interval
from arc_encoder.evaluation.metrics.corpus import CORPUS

LONGEST = 120  # bytes of a file's name; systems allow 255, and more is put behind it


@dataclass(frozen=True)
class Part:
    """One part of an evaluation: one system on one benchmark, under one set of conditions.

    Attributes:
        system: closed_book, open_book, truncate, arc, ….
        decoder: name of the decoder.
        pooling_factor: tokens per vector of the ARC-Encoder (its budget for truncation), None for text systems.
        benchmark: name of the benchmark.
        version: of the benchmark.
        protocol: strict or paper.
        shots: answered examples in front of a question, None where there are no questions.
        seed: of the choice of examples.
    """

    system: str
    decoder: str
    pooling_factor: int | None
    benchmark: str
    version: int
    protocol: str
    shots: int | None
    seed: int

    @property
    def slug(self) -> str:
        """A file name of this part alone."""
        factor = f"_x{self.pooling_factor}" if self.pooling_factor else ""
        shots = "" if self.shots is None else f"_{self.shots}shot"
        words = f"{Path(self.benchmark).name}_{self.system}{factor}_{self.decoder}{shots}_s{self.seed}"
        words = words if self.protocol == "strict" else f"{words}_{self.protocol}"
        if len(words.encode()) <= LONGEST:
            return words
        digest = hashlib.sha256(words.encode()).hexdigest()[:8]
        return f"{words.encode()[:LONGEST].decode(errors='ignore')}_{digest}"


@dataclass(frozen=True)
class Row(Part):
    """One figure: a metric of a system on a benchmark.

    Attributes:
        metric: exact_match, f1, rouge_l and bleu in percent, loss in nats a token, ….
        value: mean over examples; bleu of all examples together.
        ci_low, ci_high: 95 % bootstrap interval.
        examples: how many it is about.
        articles: about how many articles they are, which the interval then draws whole; 0 where none is named.
        document_positions: mean decoder positions that documents take in a prompt.
        decoder_modified: whether the system changes the decoder's weights.
        shared_encoder: whether its encoder was trained in front of several decoders.
        asked_from: name of the file that the questions came from; empty where there is none.
    """

    metric: str
    value: float
    ci_low: float
    ci_high: float
    examples: int
    document_positions: float
    decoder_modified: bool = False
    shared_encoder: bool = False
    asked_from: str = ""
    articles: int = 0


@dataclass(frozen=True)
class Cost(Part):
    """What a system costs on a benchmark: means over its prompts.

    Attributes:
        document_positions: decoder positions that the documents of a prompt take, task tokens counted.
        document_tokens: tokens of the decoder that the same documents have as text.
        stored_bytes: bytes that these documents take if they are stored as the system needs them.
        prompt_positions: decoder positions of the whole prompt.
        encoder_gflops: 10⁹ operations of the encoder for the documents of a prompt, none of them stored, or of the
            model that chooses what is shown of them.
        decoder_gflops: 10⁹ operations of the decoder until the first token of the answer.
        first_token_ms: milliseconds from the prompt to the first token of its answer, prompts one by one (median).
        seconds: of the whole part.
        peak_memory_gib: of the process (CPU) or on the GPU.
        decoder_modified: whether the system changes the decoder's weights.
    """

    document_positions: float
    document_tokens: float
    stored_bytes: float
    prompt_positions: float
    encoder_gflops: float
    decoder_gflops: float
    first_token_ms: float
    seconds: float
    peak_memory_gib: float
    decoder_modified: bool

    @property
    def ratio(self) -> float | None:
        """Tokens of the documents for each position that they take; None where they take none."""
        return self.document_tokens / self.document_positions if self.document_positions else None


def rows_of(
    results: list[ExampleResult],
    part: Part,
    *,
    decoder_modified: bool = False,
    shared_encoder: bool = False,
    asked_from: str = "",
) -> list[Row]:
    """Value and interval of every metric; one that no example has a weight for is left out."""
    rows = []
    positions = sum(result.document_positions for result in results) / len(results)
    articles = [result.article for result in results]
    for name in results[0].scores:
        weights = [result.weights.get(name, 1.0) for result in results]
        if not any(weights):
            continue
        if name in CORPUS:
            value, low, high = CORPUS[name](
                [result.details["answer"] for result in results],
                [result.details["accepted"] for result in results],
                articles=articles,
            )
        else:
            values = [result.scores[name] * weight for result, weight in zip(results, weights, strict=True)]
            value, low, high = confidence_interval(values, weights, articles=articles)
        rows.append(
            Row(
                **asdict(part),
                metric=name,
                value=value,
                ci_low=low,
                ci_high=high,
                examples=sum(weight > 0 for weight in weights),
                articles=len(set(articles) - {""}),
                document_positions=positions,
                decoder_modified=decoder_modified,
                shared_encoder=shared_encoder,
                asked_from=asked_from,
            )
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
    """Write JSON, atomically."""
    write_text_atomically(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_results(
    path: Path, rows: Iterable[Row], costs: Iterable[Cost] = (), extra: dict[str, Any] | None = None
) -> None:
    """results.json: {"rows": [...], "costs": [...], …}."""
    spent = [{**asdict(cost), "ratio": cost.ratio} for cost in costs]
    write_json(path, {**(extra or {}), "rows": [asdict(row) for row in rows], "costs": spent})


def write_examples(path: Path, results: Iterable[ExampleResult]) -> None:
    """One JSON line an example, for people who want to read what went wrong."""
    with atomic_file(path, "w", encoding="utf-8") as lines:
        for result in results:
            record = {
                "id": result.id,
                **result.scores,
                "weights": result.weights,
                "document_positions": result.document_positions,
                "document_tokens": result.document_tokens,
                **({"article": result.article} if result.article else {}),
                **result.details,
            }
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
