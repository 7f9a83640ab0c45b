"""Training a probe that predicts lost answers, and writing what falling back on it is worth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from arc_encoder.core.atomic import write_text_atomically
from arc_encoder.core.errors import ConfigError, check_number, writing
from arc_encoder.data.records import Question, Source
from arc_encoder.evaluation.metrics.answers import METRICS
from arc_encoder.inference import Compressor
from arc_encoder.tools.studies.lost_answers import study_lost_answers, tables

PROBE, RESULTS = "probe.safetensors", "results.json"


def check_probe(output: Path, *, metric: str, factors: Sequence[float], overwrite: bool, **numbers: int) -> None:
    """Refuse what cannot work before anything is loaded, and make the folder.

    Raises:
        ConfigError: an unknown metric, no factor, a number that makes no sense, or results that are there already.
    """
    if metric not in METRICS:
        raise ConfigError(f"metric={metric!r} is unknown; choose one of {', '.join(METRICS)}")
    if (output / RESULTS).exists() and not overwrite:
        raise ConfigError(
            f"{output / RESULTS} exists already; choose another folder, or let it be overwritten", advice="overwrite"
        )
    if not factors:
        raise ConfigError("factors is empty; give those whose answers may be lost, such as [4, 8]")
    for key, value in numbers.items():
        check_number(key, value, lowest=0 if key == "shots" else 1)
    with writing(output, "choose another folder"):
        output.mkdir(parents=True, exist_ok=True)


def make_probe(
    compressor: Compressor,
    questions: Source[Question],
    output: Path,
    factors: Sequence[float],
    *,
    metric: str,
    right_from: float,
    batch_size: int,
    **settings: int,
) -> str:
    """Train a probe and measure it; writes probe.safetensors, results.json and results.md to `output`.

    Args:
        settings: of `study_lost_answers`.

    Returns:
        the results as Markdown.
    """

    def right(answer: str, accepted: Sequence[str]) -> bool:
        return METRICS[metric](answer, accepted) >= right_from

    found, results = study_lost_answers(compressor, questions, factors, right, batch_size=batch_size, **settings)
    found.save(output / PROBE)
    written = {"settings": {"metric": metric, "right_from": right_from, **settings}, **results}
    write_text_atomically(output / RESULTS, json.dumps(written, indent=1) + "\n")
    write_text_atomically(output / "results.md", tables(results))
    return tables(results)
