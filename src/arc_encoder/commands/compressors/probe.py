"""`arc-probe`: train a probe that foretells lost answers, and measure what falling back is worth.

Run command: ``arc-probe checkpoint=<run>/compressor decoder=toy_a``
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.compressors import load_compressor
from arc_encoder.core.atomic import write_text_atomically
from arc_encoder.core.errors import ConfigError
from arc_encoder.evaluation.metrics.answers import METRICS
from arc_encoder.inference.generation.prompts import check_number
from arc_encoder.tools.studies.lost_answers import study_lost_answers, tables

KEYS = {
    "checkpoint",
    "encoder_tokenizer",
    "backbone",
    "imports",
    "decoders",
    "questions",
    "output",
    "factors",
    "train",
    "test",
    "shots",
    "metric",
    "right_from",
    "max_new_tokens",
    "batch_size",
    "seed",
    "threads",
    "device",
    "dtype",
    "overwrite",
    "paths",
}
PROBE, RESULTS = "probe.safetensors", "results.json"


def probe(config: DictConfig) -> Path:
    """Train and measure as `config` says; returns the probe's file.

    Raises:
        ConfigError: something is missing or unknown, or results are there already.
    """
    if config.checkpoint is None:
        raise ConfigError("checkpoint is missing: arc-probe checkpoint=<run>/compressor decoder=<name>")
    if config.metric not in METRICS:
        raise ConfigError(f"metric={config.metric!r} is unknown; choose one of {', '.join(METRICS)}")
    output = Path(config.output)
    if (output / RESULTS).exists() and not config.overwrite:
        raise ConfigError(f"{output / RESULTS} exists already; choose another output=<folder>, or set overwrite=true")
    if len(config.get("decoders") or {}) != 1:
        raise ConfigError(
            f"arc-probe works for one decoder; {', '.join(config.get('decoders') or {}) or 'none'} was given"
        )
    if not config.factors:
        raise ConfigError("factors is empty; give those whose answers may be lost, such as factors=[4,8]")
    for key in ("train", "test", "batch_size", "max_new_tokens"):
        check_number(key, config[key], lowest=1)
    check_number("shots", config.shots, lowest=0)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{output} cannot be made ({error.strerror}); choose another output=<folder>") from error
    if config.threads:
        torch.set_num_threads(config.threads)
    compressor = load_compressor(config)
    metric, least = METRICS[config.metric], float(config.right_from)
    found, results = study_lost_answers(
        compressor,
        instantiate(config.questions),
        list(config.factors),
        lambda answer, accepted: metric(answer, accepted) >= least,
        train=config.train,
        test=config.test,
        max_new_tokens=config.max_new_tokens,
        batch_size=config.batch_size,
        seed=config.seed,
        shots=config.shots,
    )
    found.save(output / PROBE)
    settings = {
        key: config[key] for key in ("metric", "right_from", "train", "test", "shots", "seed", "max_new_tokens")
    }
    write_text_atomically(output / RESULTS, json.dumps({"settings": settings, **results}, indent=1) + "\n")
    write_text_atomically(output / "results.md", tables(results))
    print(f"{tables(results)}\n{output / PROBE}")
    return output / PROBE


def main() -> None:
    """Console entry point."""
    run_app("probe", lambda config: probe(config) and None, keys=KEYS)


if __name__ == "__main__":
    main()
