"""`arc-bench serve`: how much faster a gateway answers from vectors than from text.

Run command: ``arc-bench serve checkpoint=<run>/compressor decoder=toy_a documents=[256] clients=[1,8]``
"""

from __future__ import annotations

import torch
from omegaconf import DictConfig

from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.compressors import load_compressor
from arc_encoder.core.errors import ConfigError
from arc_encoder.evaluation.reporting.tables.markdown import table

KEYS = {
    "checkpoint", "encoder_tokenizer", "backbone", "imports", "decoders", "decoder_name", "threads", "device",
    "dtype", "text", "documents", "clients", "factors", "answer_tokens", "rounds", "output", "paths",
}  # fmt: skip


def bench_serve(config: DictConfig) -> None:
    """Measure as `config` says, and print a table."""
    from arc_encoder.tools.bench.serving.run import bench_serving

    if config.checkpoint is None:
        raise ConfigError("checkpoint is missing: arc-bench serve checkpoint=<run>/compressor decoder=<name>")
    if config.threads:
        torch.set_num_threads(config.threads)
    rows = bench_serving(
        load_compressor(config),
        text=config.text,
        documents=list(config.documents),
        clients=list(config.clients),
        factors=list(config.factors),
        answer_tokens=config.answer_tokens,
        rounds=config.rounds,
        output=config.output,
    )
    head = ["tokens", "clients", "read as", "positions", "first token, s", "tokens/s", "first token, times text", "operations imply", "share", "share by processor", "tokens/s, times text"]  # fmt: skip
    print(table(head, [[_told(value) for value in row.values()] for row in rows]))


def _told(value: float | int | str | None) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Console entry point."""
    run_app("bench_serve", bench_serve, keys=KEYS)


if __name__ == "__main__":
    main()
