"""`arc-eval`: answer benchmarks with one or more systems, or go on with an evaluation.

Run command: ``arc-eval checkpoint=<run>/compressor system=[arc,open_book] benchmark=[toy_qa,toy_continuation]``,
``arc-eval --resume <the evaluation's folder>``. Several processes (``torchrun``) share the parts among them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from arc_encoder.cli.app import choose_device, fail, run_app
from arc_encoder.cli.benchmarks import benchmarks_of, identity
from arc_encoder.cli.resume import expand_resume
from arc_encoder.cli.train import build_decoders, decoder_texts, prepare_folder
from arc_encoder.data.collator import ArcCollator
from arc_encoder.errors import ArcError, ConfigError
from arc_encoder.evaluation.finished import FinishedParts
from arc_encoder.evaluation.results import Cost, Part, Row, write_results
from arc_encoder.evaluation.runner import evaluate
from arc_encoder.evaluation.session import Session
from arc_encoder.evaluation.systems import System
from arc_encoder.model.arc_model import ArcModel
from arc_encoder.model.decoder import FrozenDecoder
from arc_encoder.model.loading import load_arc_encoder
from arc_encoder.plan.prefill import prefill_work
from arc_encoder.reporting.tables import cost_table, markdown_table

KEYS = {
    "checkpoint", "encoder_tokenizer", "imports", "factors", "shots", "seeds", "batch_size", "cache_gib", "costs", "conditions",
    "seed", "threads", "device", "protocol", "benchmark", "benchmarks", "systems", "decoders", "paths", "experiment_name",
}  # fmt: skip


def open_session(
    decoders: Mapping[str, FrozenDecoder],
    decoder_name: str,
    checkpoint: str | None,
    *,
    batch_size: int,
    device: str = "cpu",
    encoder_tokenizer: str | None = None,
    cache_gib: float = 1.0,
    progress: bool = True,
) -> Session:
    """A session for one decoder, with the ARC-Encoder of `checkpoint` if there is one.

    Raises:
        CheckpointError: the checkpoint cannot be loaded or does not serve this decoder.
    """
    decoder = decoders[decoder_name]
    model: Any = ArcModel(None, {decoder_name: decoder}).to(device)
    texts = decoder_texts({decoder_name: decoder})
    session = Session(
        model,
        ArcCollator(decoder.tokenizer, texts),
        decoder_name,
        batch_size=batch_size,
        device=torch.device(device),
        cache_gib=cache_gib,
        progress=progress,
    )
    if checkpoint is None:
        return session
    compressor, tokenizer = load_arc_encoder(checkpoint, tokenizer=encoder_tokenizer)
    session = session.with_compressor(compressor)
    session.collator = ArcCollator(tokenizer, texts)
    return session


def run(config: DictConfig) -> list[Row]:
    """Evaluate as `config` says, write results.json and report.md, print the table."""
    if config.threads:
        torch.set_num_threads(config.threads)
    L.seed_everything(config.seed, verbose=False)
    rank = int(os.environ.get("RANK", "0"))
    systems = systems_of(config)
    chosen = list(benchmarks_of(config))
    folder = Path(config.paths.run)
    if rank == 0:
        prepare_folder(folder, config)
    device = choose_device(config.device)
    if device == "cuda" and "LOCAL_RANK" in os.environ:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    rows: list[Row] = []
    costs: list[Cost] = []

    def write(status: str, new_rows: list[Row], new_costs: list[Cost]) -> None:
        extra = {"status": status, "conditions": OmegaConf.to_container(config.conditions) if config.conditions else {}}
        write_results(folder / "results.json", rows + new_rows, costs + new_costs, extra)

    for name, decoder in build_decoders(config.get("decoders") or {}).items():
        needing = any(system.needs_checkpoint or system.needs_budget for system in systems.values())
        session = open_session(
            {name: decoder},
            name,
            config.checkpoint if needing else None,
            batch_size=config.batch_size,
            device=device,
            encoder_tokenizer=config.encoder_tokenizer,
            cache_gib=config.cache_gib,
            progress=rank == 0,
        )
        settings = {_key(benchmark): text for benchmark, text in chosen}
        finished = FinishedParts(folder / "parts", partial(_fingerprint, config, settings))
        found = evaluate(
            systems,
            [benchmark for benchmark, _ in chosen],
            session,
            factors=list(config.factors) or [None],
            folder=folder / "examples",
            finished=finished,
            price=prefill_work if config.costs else None,
            told=partial(write, "running"),
        )
        rows += found[0]
        costs += found[1]
    write("finished", [], [])
    if rank == 0:
        table = markdown_table(rows) + (f"\n\n{cost_table(costs)}" if costs else "")
        (folder / "report.md").write_text(f"# Results\n\n{table}\n")
        print(f"\n{table}\n")
        print(f"written to {folder}")
    return rows


def systems_of(config: DictConfig) -> dict[str, System]:
    """The systems of a configuration.

    Raises:
        ConfigError: there is none, or one needs an ARC-Encoder that was not given.
    """
    systems: dict[str, System] = {str(name): instantiate(node) for name, node in (config.get("systems") or {}).items()}
    if not systems:
        raise ConfigError("no system was given; choose at least one, such as system=open_book")
    without = [name for name, system in systems.items() if system.needs_checkpoint]
    if without and config.checkpoint is None:
        raise ConfigError(
            f"system {', '.join(without)} needs a trained ARC-Encoder: give checkpoint=<run>/compressor, or choose system=open_book"
        )
    budgets = [name for name, system in systems.items() if system.needs_budget]
    if budgets and config.checkpoint is None and not config.factors:
        raise ConfigError(
            f"system {', '.join(budgets)} needs a budget: give checkpoint=<run>/compressor, or pooling factors such as factors=[4,8]"
        )
    return systems


def _key(each: Any) -> tuple[str, int | None, int]:
    """What tells a benchmark's variants apart; of a benchmark, or of a part about it."""
    return (getattr(each, "name", None) or each.benchmark, each.shots, each.seed)


def _fingerprint(config: DictConfig, settings: Mapping[tuple[str, int | None, int], str], part: Part) -> str:
    node = config.systems[part.system]
    checkpoint = node.get("checkpoint") or config.checkpoint
    what = [settings[_key(part)], node, config.decoders[part.decoder], config.encoder_tokenizer, checkpoint]
    return identity(*what, weights=checkpoint)


def main() -> None:
    """Console entry point."""
    try:
        sys.argv[1:] = expand_resume(sys.argv[1:], "eval")
    except ArcError as error:
        fail(str(error))
    run_app("eval", lambda config: run(config) and None, keys=KEYS)


if __name__ == "__main__":
    main()
