"""An evaluation, from its configuration."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from arc_encoder.config.building.benchmarks import benchmarks_of, identity
from arc_encoder.config.building.settings import set_up_process
from arc_encoder.core.compute import compute_dtype, own_device
from arc_encoder.core.errors import ConfigError
from arc_encoder.core.run_folder.record import record_start
from arc_encoder.core.run_folder.sharing import share_run_folder
from arc_encoder.evaluation.benchmarks import Benchmark
from arc_encoder.evaluation.evaluate import check_systems, evaluate
from arc_encoder.evaluation.runs.results import Cost, Part, Row
from arc_encoder.evaluation.runs.runner import Price
from arc_encoder.evaluation.session.session import SessionOptions
from arc_encoder.evaluation.systems import System

Place = tuple[str, int | None, int]  # a benchmark, its shots and its seed


# What processes that share an evaluation may have each its own way.
OWN = ("paths", "threads", "device", "cache_gib", "batch_size", "batch_positions")


def evaluate_from_config(
    config: DictConfig, *, price: Price | None = None, words: Sequence[str] | None = None
) -> tuple[list[Row], list[Cost]]:
    """Evaluate as `config` says, in the folder `config.paths.run`; see `evaluate`. The folder keeps the `words` of a command."""
    set_up_process(config)
    compute_dtype(config.precision)
    first = int(os.environ.get("RANK", "0")) == 0
    _need_common_folder()
    systems: dict[str, System] = {str(name): instantiate(node) for name, node in (config.get("systems") or {}).items()}
    check_systems(systems, config.checkpoint is not None, list(config.factors))
    chosen = list(benchmarks_of(config))
    folder = Path(config.paths.run)
    nodes = config.get("decoders") or {}
    written = OmegaConf.to_yaml(config, resolve=True)
    record = partial(record_start, folder, seed=config.seed, config=written, words=words)
    with share_run_folder(folder, yaml.safe_load(written), record, own=OWN) if first else nullcontext():
        return evaluate(
            systems,
            [benchmark for benchmark, _ in chosen],
            {str(name): partial(instantiate, node) for name, node in nodes.items()},
            config.checkpoint,
            factors=list(config.factors),
            folder=folder,
            identify=_identities(config, {_place(benchmark): text for benchmark, text in chosen}, systems),
            price=price,
            conditions=_plain(config.conditions),
            first_process=first,
            **session_options(config, progress=first),
        )


def session_options(config: DictConfig, **changes: Any) -> SessionOptions:
    """What a configuration says about a session; see `open_session`."""
    names = ("batch_size", "batch_positions", "encoder_tokenizer", "backbone", "cache_gib", "precision")
    options: Any = {name: config[name] for name in names if name in config}
    options |= {"device": own_device(config.device), **changes}
    chosen: SessionOptions = options
    return chosen


def _plain(node: DictConfig | None) -> Mapping[str, Any] | None:
    found: Any = OmegaConf.to_container(node) if node else None
    return found


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


def _place(each: Benchmark | Part) -> Place:
    """What tells a benchmark's variants apart; of a benchmark, or of a part about it."""
    return (each.benchmark if isinstance(each, Part) else each.name, each.shots, each.seed)


def _identities(
    config: DictConfig, settings: Mapping[Place, str], systems: Mapping[str, System]
) -> Callable[[Part], str]:
    """A fingerprint of what decides a part's results, taken now: files that change later make other results."""
    known: dict[tuple[str, str, Place], str] = {}
    for (name, system), place, decoder in itertools.product(systems.items(), settings, config.get("decoders") or {}):
        uses = system.needs_compressor or system.needs_budget
        encoder = {key: config[key] for key in ("checkpoint", "encoder_tokenizer", "precision")} if uses else {}
        asked = json.loads(settings[place])
        own = (asked, config.systems[name], config.decoders[decoder], encoder, {"costs": config.costs})
        known[name, str(decoder), place] = identity(*own)
    return lambda part: known[part.system, part.decoder, _place(part)]
