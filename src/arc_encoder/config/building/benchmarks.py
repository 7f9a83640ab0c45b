"""Which benchmarks an evaluation asks: those that were chosen, at every number of shots, with every seed."""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

from arc_encoder.core.errors import ConfigError
from arc_encoder.data.sources.jsonl import list_files
from arc_encoder.evaluation.benchmarks import Benchmark
from arc_encoder.evaluation.protocols import Strict

FILES = ("path", "examples_path", "checkpoint", "model", "encoder_tokenizer")  # settings that name files or folders
FILE = ("path", "examples_path", "on_error")  # settings of a file of questions that `benchmark.<key>` sets
MODEL_FILES = ("*.safetensors", "*.json", "*.model")
LOCAL = {  # configs/benchmark/local.yaml, where a file is named and no benchmark
    "_target_": "arc_encoder.evaluation.benchmarks.QuestionAnswering",
    "limit": None,
    "overflow": "shorten",
    "version": 2,
    "source": {"_target_": "arc_encoder.evaluation.benchmarks.QuestionFile"},
}


def benchmark_nodes(config: DictConfig) -> dict[str, DictConfig]:
    """The chosen benchmarks' configurations; what `benchmark.<key>` sets is set in each that has such a setting.

    `benchmark.path` asks a file of questions instead of those that were chosen. A benchmark that is asked
    from a file, such as narrative_qa, keeps its words and metrics then.

    Raises:
        ConfigError: none was chosen, or a file without its package line was chosen together with others.
    """
    common = {str(key): value for key, value in (config.get("benchmark") or {}).items() if value is not None}
    nodes = {str(name): node for name, node in (config.get("benchmarks") or {}).items()}
    if "_target_" in common:  # a file of your own that does not say where it belongs
        name = str(common.get("name", "benchmark"))
        if nodes:  # what it sets would be set in all of them
            raise ConfigError(
                f"the file of benchmark {name} does not say where it belongs, and so it can only be asked alone, not with "
                f"{', '.join(nodes)}: make '# @package benchmarks.{name}' its first line"
            )
        return {name: OmegaConf.create(common)}
    files = [name for name, node in nodes.items() if (file := _file(node)) is not None and file.get("path") is not None]
    if "path" in common and (len(nodes) != 1 or not files):  # not the place of a chosen benchmark's own file
        nodes = {"local": nodes.get("local") or OmegaConf.create(LOCAL)}
    if not nodes:
        raise ConfigError("no benchmark was chosen: give benchmark=toy_qa, or a file with benchmark.path=<file.jsonl>")
    found: dict[str, DictConfig] = {}
    for name, node in nodes.items():
        changes: dict[str, Any] = {key: common[key] for key in _taken(node) & set(common)}
        if (file := _file(node)) is not None:
            changes["source"] = _changed(file, {key: common[key] for key in FILE if key in common})
        found[name] = _changed(node, changes)
    return found


def _file(node: DictConfig) -> DictConfig | None:
    """The file of questions that a benchmark asks, if it asks one."""
    source = node.get("source")
    return source if source is not None and "examples_path" in _taken(source) else None


def _taken(node: DictConfig) -> set[str]:
    """Names of the settings that the class of a node takes."""
    return set(inspect.signature(get_object(node["_target_"])).parameters)


def benchmarks_of(config: DictConfig) -> Iterator[tuple[Benchmark, str]]:
    """Every benchmark at every number of shots and with every seed, with a text that says all of its settings.

    One that draws nothing by its seed is asked with the first of them alone.

    Raises:
        ConfigError, DataError: what a benchmark says about its settings.
    """
    protocol = instantiate(config.protocol) if config.get("protocol") else Strict()
    rules: Any = OmegaConf.to_container(config.protocol, resolve=True) if config.get("protocol") else {}
    several = config.get("shots") or []
    protocol.max_shots = rules["max_shots"] = max(several) if len(several) > 1 else 0
    for node in benchmark_nodes(config).values():
        taken = _taken(node)
        more = {"protocol": protocol} if "protocol" in taken else {}
        for shots in (list(config.get("shots") or []) if "shots" in taken else []) or [None]:
            for number, seed in enumerate((list(config.get("seeds") or []) if "seed" in taken else []) or [None]):
                changes = {key: value for key, value in (("shots", shots), ("seed", seed)) if value is not None}
                variant = _changed(node, changes)
                settings = [OmegaConf.to_container(variant, resolve=True), rules if more else None]
                benchmark: Benchmark = instantiate(variant, **more)
                if number == 0 or benchmark.draws:
                    yield benchmark, json.dumps(settings, sort_keys=True)


def identity(*settings: Any) -> str:
    """A fingerprint of settings and of the files that they name: paths, sizes and times."""
    digest = hashlib.sha256()
    for each in settings:
        plain = OmegaConf.to_container(each, resolve=True) if OmegaConf.is_config(each) else each
        digest.update(json.dumps(plain, sort_keys=True, default=str).encode() + b"\0")
        for file in dict.fromkeys(_files(plain)):
            stat = file.stat()
            digest.update(f"{file.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode() + b"\0")
    return digest.hexdigest()


def _files(node: Any, key: str = "") -> Iterator[Path]:
    """Files that settings name: of questions, and the weights and settings in folders of models."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _files(value, str(name))
    elif isinstance(node, list):
        for value in node:
            yield from _files(value, key)
    elif isinstance(node, str) and key in FILES:
        place = Path(node)
        inside = [file for ending in MODEL_FILES for file in place.glob(ending)] if place.is_dir() else []
        yield from sorted([*(file for file in inside if file.is_file()), *list_files(node)])


def _changed(node: DictConfig, changes: dict[str, Any]) -> DictConfig:
    """A copy of a node with other values; what refers to other places of the configuration still does."""
    copied = copy.copy(node)
    with open_dict(copied):
        for key, value in changes.items():
            copied[key] = value
    return copied
