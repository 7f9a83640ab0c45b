"""`arc-eval`: answer benchmarks with one or more systems, or go on with an evaluation.

Run command: ``arc-eval checkpoint=<run>/compressor system=[arc,open_book] benchmark=[toy_qa,toy_continuation]``,
``arc-eval --resume <the evaluation's folder>``. Several processes (``torchrun``) share the parts among them.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from filelock import FileLock
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from arc_encoder.commands.experiments.train import prepare_folder
from arc_encoder.config.app.failing import fail
from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.benchmarks import benchmarks_of, identity
from arc_encoder.config.building.decoders import build_decoders
from arc_encoder.config.resume import expand_resume
from arc_encoder.core.compute.device import own_device
from arc_encoder.core.compute.precision import compute_dtype
from arc_encoder.core.errors import ArcError, ConfigError
from arc_encoder.evaluation.reporting.tables.result_tables import cost_table, markdown_table
from arc_encoder.evaluation.runs.finished import FinishedParts
from arc_encoder.evaluation.runs.results import Cost, Row, write_json, write_results
from arc_encoder.evaluation.runs.runner import evaluate
from arc_encoder.evaluation.session.opening import open_session
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import System
from arc_encoder.tools.planning.costs.prefill import prefill_work

KEYS = {
    "checkpoint", "encoder_tokenizer", "backbone", "imports", "factors", "shots", "seeds", "batch_size", "cache_gib", "precision", "costs", "conditions",
    "seed", "threads", "device", "protocol", "benchmark", "benchmarks", "systems", "decoders", "paths", "experiment_name",
}  # fmt: skip


Place = tuple[str, int | None, int]  # a benchmark, its shots and its seed


def run(config: DictConfig) -> list[Row]:
    """Evaluate as `config` says, write results.json and report.md, print the table."""
    if config.threads:
        torch.set_num_threads(config.threads)
    L.seed_everything(config.seed, verbose=False)
    compute_dtype(config.precision)
    rank = int(os.environ.get("RANK", "0"))
    _need_common_folder()
    systems = systems_of(config)
    chosen = list(benchmarks_of(config))
    folder = Path(config.paths.run)
    if rank == 0:
        prepare_folder(folder, config)
    device = own_device(config.device)
    if rank == 0:
        mark_running(folder / "results.json")
    rows: list[Row] = []
    costs: list[Cost] = []

    begun = time.time()

    def write(status: str, new_rows: list[Row], new_costs: list[Cost]) -> None:
        extra = {"status": status, "conditions": OmegaConf.to_container(config.conditions) if config.conditions else {}}
        file = folder / "results.json"
        if status == "running" and not rows and not new_rows and file.is_file():
            return  # nothing is known yet that an earlier start has not told
        with FileLock(folder / "results.lock"):
            if status == "finished" or not _finished_since(file, begun):  # by a process that shares the parts
                write_results(file, rows + new_rows, costs + new_costs, extra)

    settings = {_key(benchmark): text for benchmark, text in chosen}
    fingerprint = cache(partial(_fingerprint, config, settings, systems))
    nodes = dict(config.get("decoders") or {})
    for system in systems:  # before anything is read: files that change later make other results
        for place, decoder in itertools.product(settings, map(str, nodes)):
            fingerprint(system, decoder, place)
    needing = any(system.needs_checkpoint or system.needs_budget for system in systems.values())
    if not nodes:
        build_decoders(nodes)  # says what is missing
    for number, (name, node) in enumerate(nodes.items()):  # one is held at a time
        session = open_session(
            build_decoders({name: node})[str(name)],
            str(name),
            config.checkpoint if needing else None,
            batch_size=config.batch_size,
            device=device,
            encoder_tokenizer=config.encoder_tokenizer,
            backbone=config.backbone,
            cache_gib=config.cache_gib,
            precision=config.precision,
            progress=rank == 0,
        )
        if number == 0 and len(nodes) > 1:
            refuse_strangers(systems, session, list(map(str, nodes)))
        finished = FinishedParts(folder / "parts", lambda part: fingerprint(part.system, part.decoder, _key(part)))
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
        del session  # with its decoder, before the next one is loaded
    write("finished", [], [])
    if rank == 0:
        table = markdown_table(rows, costs) + (f"\n\n{cost_table(costs)}" if costs else "")
        (folder / "report.md").write_text(f"# Results\n\n{table}\n")
        print(f"\n{table}\n")
        print(f"written to {folder}")
    return rows


def _need_common_folder() -> None:
    """Several processes share the parts of one folder.

    Raises:
        ConfigError: each of them would make one of its own.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or not HydraConfig.initialized():
        return
    given = [*HydraConfig.get().overrides.hydra, *HydraConfig.get().overrides.task]
    if not any(word.lstrip("+").startswith(("hydra.run.dir=", "paths.run=")) for word in given):
        raise ConfigError(
            "several processes share the work in one folder, but none was named, and each would make its own; "
            "give hydra.run.dir=<folder>"
        )


def mark_running(file: Path) -> None:
    """Let nobody take the results of an earlier start for those of this one; nothing of them is lost."""
    if not file.is_file():
        return
    with FileLock(file.with_suffix(".lock")):
        try:
            earlier = dict(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError):  # spoilt: it will be written anew
            return
        write_json(file, {**earlier, "status": "running"})


def _finished_since(file: Path, begun: float) -> bool:
    """Whether `file` holds finished results that were written after the time `begun`."""
    if not file.is_file() or file.stat().st_mtime < begun:
        return False
    return bool(json.loads(file.read_text(encoding="utf-8")).get("status") == "finished")


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


def refuse_strangers(systems: Mapping[str, System], session: Session, decoders: Sequence[str]) -> None:
    """Tell, before the first decoder is asked, that a compressor does not serve one of the others.

    Raises:
        CheckpointError: which one.
    """
    for system in systems.values():
        measure = system.open(session).measure if system.needs_compressor else session.measure
        for name in decoders if measure is not None else ():
            measure.head(name)
        if len(systems) > 1:
            system.close()


def _key(each: Any) -> Place:
    """What tells a benchmark's variants apart; of a benchmark, or of a part about it."""
    return (getattr(each, "name", None) or each.benchmark, each.shots, each.seed)


def _fingerprint(
    config: DictConfig,
    settings: Mapping[Place, str],
    systems: Mapping[str, System],
    system: str,
    decoder: str,
    place: Place,
) -> str:
    uses = systems[system].needs_compressor or systems[system].needs_budget
    encoder = {key: config[key] for key in ("checkpoint", "encoder_tokenizer", "precision")} if uses else {}
    asked = json.loads(settings[place])
    return identity(asked, config.systems[system], config.decoders[decoder], encoder, {"costs": config.costs})


def main() -> None:
    """Console entry point."""
    try:
        sys.argv[1:] = expand_resume(sys.argv[1:], "eval")
    except ArcError as error:
        fail(str(error))
    run_app("eval", lambda config: run(config) and None, keys=KEYS)


if __name__ == "__main__":
    main()
