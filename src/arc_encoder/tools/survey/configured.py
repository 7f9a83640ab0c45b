"""A survey of files or of a data configuration, from the settings of `arc-data check`."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from arc_encoder.core.errors import CheckpointError, ConfigError, DataError
from arc_encoder.data.batching.collator import DecoderText
from arc_encoder.data.sources.jsonl import JsonlDocuments, JsonlQuestions, matching_files, read_jsonl
from arc_encoder.data.tasks import Continuation, FewShot, Reconstruction
from arc_encoder.model.checkpoint.released.source import check_folder_exists
from arc_encoder.model.language_models.downloads.library import config_at, local_path
from arc_encoder.model.language_models.layouts.tokenizer import load_tokenizer
from arc_encoder.tools.survey.counting import Measure
from arc_encoder.tools.survey.report import SourceReport
from arc_encoder.tools.survey.survey import survey_source

NUMBERS = {"shots": 0, "max_passages": 1, "limit": 1, "samples": 0, "examples": 0}  # with the lowest of each
JSONL = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".json.gz", ".json")


def check_settings(config: DictConfig) -> None:
    """Refuse settings that no signature checks.

    Raises:
        ConfigError: every one that cannot be used.
    """
    problems = []
    if (config.path is None) == (config.get("data") is None):
        problems.append("give either files (arc-data check my.jsonl.gz) or a data configuration (data=jsonl_finetune)")
    if config.kind not in (None, "documents", "questions"):
        problems.append(f"kind={config.kind!r} is unknown; choose documents or questions")
    if config.on_error not in ("stop", "skip"):
        problems.append(f"on_error={config.on_error!r} is unknown; choose stop or skip")
    for key, lowest in NUMBERS.items():
        value = config[key]
        if value is None and key == "limit":
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
            problems.append(f"{key}={value!r}: expected a whole number from {lowest} on")
    if config.output and Path(config.output).exists() and not config.overwrite:
        problems.append(f"output={config.output} exists already; choose another name, or set overwrite=true")
    if problems:
        raise ConfigError("; ".join(problems))


def surveys(config: DictConfig, measure: Measure) -> Iterator[SourceReport]:
    """The report of each source, one after the other."""
    common: dict[str, Any] = {
        "limit": config.limit, "samples": config.samples, "examples": config.examples, "seed": config.seed,
    }  # fmt: skip
    if config.get("data") is None:
        patterns = config.path if OmegaConf.is_list(config.path) else [config.path]
        for file in [file for pattern in patterns for file in matching_files(str(pattern))]:
            yield _survey_file(file, config, measure, common)
        return
    for tasks in _by_source(config.data):
        node = next(iter(tasks.values()))
        source = node.get("source")
        strict = source is not None and str(source.get("on_error", "stop")) == "stop"
        yield survey_source(
            ", ".join(tasks) + (f" ({source.path})" if source is not None and source.get("path") else ""),
            lambda source=source: _lenient(source),  # type: ignore[misc]
            {name: _task_maker(node) for name, node in tasks.items()},
            measure,
            strict=strict,
            **common,
        )


def _survey_file(file: Path, config: DictConfig, measure: Measure, common: dict[str, Any]) -> SourceReport:
    fields: dict[str, str] = {str(key): str(value) for key, value in (config.fields or {}).items()}
    try:
        kind = config.kind or kind_of(file, config.text_field, fields)
    except DataError as error:
        return SourceReport(str(file), error=str(error))
    tasks: dict[str, Callable[[Any], Any]] = {
        "reconstruction": Reconstruction,
        "continuation": Continuation,
    }
    build: Callable[[], Any] = lambda: JsonlDocuments(str(file), text_field=config.text_field, on_error="skip")  # noqa: E731
    if kind == "questions":
        build = lambda: JsonlQuestions(str(file), fields=fields, on_error="skip")  # noqa: E731
        tasks = {
            "few-shot": lambda source: FewShot(
                source, shots=min(config.shots, len(source) - 1), max_passages=config.max_passages
            )
        }
    return survey_source(str(file), build, tasks, measure, strict=config.on_error == "stop", **common)


def kind_of(file: Path, text_field: str, fields: dict[str, str]) -> str:
    """Whether a JSONL file holds documents or questions, by its first record.

    Raises:
        DataError: neither, or no record at all.
    """
    if not file.name.endswith(JSONL):
        raise DataError(
            f"{file}: expected one of {', '.join(JSONL)}; other sources are looked at through a data configuration (data=…)"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, record = next(read_jsonl(file, (), "skip"), ("", None))
    if record is None:
        raise DataError(f"{file} holds no record: it is empty, or no line of it is a JSON object")
    if fields.get("question", "question") in record:
        return "questions"
    if text_field in record:
        return "documents"
    raise DataError(
        f"{file}: its first record has neither {text_field!r} nor {fields.get('question', 'question')!r}, but {', '.join(record) or 'nothing'}; "
        "name them with text_field=… or fields={question: …, answers: …, passages: …}"
    )


def _by_source(data: DictConfig) -> list[dict[str, DictConfig]]:
    """Tasks of training and validation, those of one source together."""
    groups: dict[str, dict[str, DictConfig]] = {}
    for part in ("tasks", "validation"):
        for name, node in (data.get(part) or {}).items():
            source = node.get("source")
            key = f"{part}.{name}" if source is None else OmegaConf.to_yaml(source, resolve=True)
            groups.setdefault(key, {})[f"{part}.{name}"] = node
    return list(groups.values())


def _lenient(node: DictConfig | None) -> Any:
    """The source of a node, broken lines left out so that all of them are counted."""
    if node is None:
        raise DataError("this task has no source that could be looked at")
    node = OmegaConf.create(OmegaConf.to_container(node, resolve=True))  # type: ignore[assignment]
    assert node is not None
    if "on_error" in inspect.signature(get_object(node["_target_"])).parameters:
        node["on_error"] = "skip"
    return instantiate(node, _convert_="all")


def _task_maker(node: DictConfig) -> Callable[[Any], Any]:
    """Builds a task around a source that is there already."""

    def make(source: Any) -> Any:
        settings = {str(key): node[key] for key in node if key not in ("_target_", "source")}
        settings = {key: instantiate(value) if OmegaConf.is_config(value) else value for key, value in settings.items()}
        return get_object(node["_target_"])(source, **settings)

    return make


def measure_of(config: DictConfig) -> Measure:
    """Tokenizers and limits of a configuration; no weight is read.

    Raises:
        CheckpointError: no tokenizer at a place that is named.
        ConfigError: no decoder.
    """
    if not config.get("decoders"):
        raise ConfigError("no decoder was given; choose at least one, such as decoder=toy_a")
    backbone, pooling, chunking = (instantiate(config.model[part]) for part in ("encoder", "pooling", "chunking"))
    texts, windows, task_tokens = {}, {}, {}
    for name, node in config.decoders.items():
        chat = bool(node.get("chat", False))
        tokenizer = load_tokenizer(node.path, tokenizer=node.get("tokenizer"), revision=node.get("revision"))
        texts[str(name)] = DecoderText(tokenizer, bool(node.get("bos", True)), chat)
        windows[str(name)] = _window(node)
        task_tokens[str(name)] = bool(config.model.task_tokens) and not chat

    @cache
    def one_chunk(tokens: int) -> int:
        return int(pooling.output_lengths(torch.tensor([tokens]))[0]) if tokens else 0

    def vectors(tokens: int) -> int:
        return tokens // chunking.size * one_chunk(chunking.size) + one_chunk(tokens % chunking.size)

    return Measure(
        encoder=load_tokenizer(backbone.path, tokenizer=backbone.tokenizer, revision=backbone.revision),
        decoders=texts,
        vectors=vectors,
        budget=chunking.size * chunking.max_chunks,
        windows=windows,
        task_tokens=task_tokens,
    )


def _window(node: DictConfig) -> int | None:
    """Positions that a decoder was made for, by its configuration."""
    check_folder_exists(node.path, "no decoder at")
    try:
        found: Any = config_at(local_path(node.path), revision=node.get("revision")).get_text_config()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"no decoder at {node.path!r}: {str(error).splitlines()[0]}") from error
    value = getattr(found, "max_position_embeddings", None) or getattr(found, "n_positions", None)
    return None if value is None else int(value)
