"""A public data set as files, from the settings of `arc-data prepare`."""

from __future__ import annotations

import sys
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from arc_encoder.config.compose import config_dir_of_run
from arc_encoder.config.paths import configs_folder
from arc_encoder.core.atomic import check_writable
from arc_encoder.core.errors import ConfigError, check_number, writing
from arc_encoder.data.sources.jsonl import check_on_error
from arc_encoder.tools.preparation.recipe import Job, Prepared, Recipe
from arc_encoder.tools.preparation.separation import Separation
from arc_encoder.tools.preparation.writing import held_out_of, manifest_of


def prepare(config: DictConfig, *, name: str, command: str) -> list[Prepared]:
    """Make the files of the chosen recipe.

    Raises:
        ConfigError: a setting that makes no sense, or an output that cannot be written.
        DataError: the rows cannot be had, or give no record.
    """
    for key in ("top", "limit", "passage_words"):
        if config[key] is not None:
            check_number(key, config[key], lowest=1)
    check_on_error(config.on_error)
    recipe: Recipe = instantiate(config.recipe, _convert_="all")
    corpus = Path(config.paths.corpus)
    output = Path(config.output or (corpus / "finetuning" if recipe.parts else corpus / f"{name}.jsonl.gz"))
    if not recipe.parts and output.is_dir():
        raise ConfigError(f"output={output} is a folder; give the name of a file, such as {output / name}.jsonl.gz")
    with writing(output, "choose another output=…"):
        check_writable(output if output.is_dir() else output.parent)
    retriever = None
    if recipe.convert.needs_passages and config.passages is not None:
        retriever = instantiate(config.retriever, _convert_="all")
        index = retriever.open(
            config.passages, words=config.passage_words, folder=config.index, on_error=config.on_error
        )
        print(f"{len(retriever.store):,} passages to search in {index}", file=sys.stderr)
    elif config.passages is not None:
        print(f"warning: passages={config.passages} is not used: {name} comes with its own", file=sys.stderr)
    job = Job(
        name=name,
        output=output,
        place=corpus / "originals" / name,
        given=config["from"],
        limit=config.limit,
        overwrite=config.overwrite,
        retriever=retriever,
        top=config.top,
        separation=separation_of(config),
        command=command,
    )
    return recipe.prepare(job)


def separation_of(config: DictConfig) -> Separation:
    """What keeps training and evaluation apart, from the keys of the command.

    Raises:
        ConfigError: a value of the wrong kind.
    """
    exclude, words, held_out = config.exclude, config.exclude_words, config.held_out
    files = [exclude] if isinstance(exclude, str) else [str(each) for each in exclude or ()]
    check_number("exclude_words", words, lowest=1)
    if not isinstance(held_out, int | float) or isinstance(held_out, bool):
        raise ConfigError(f"held_out={held_out!r}: expected a share of the documents, such as 0.05")
    return Separation(files, words, held_out)


def describe(done: Prepared) -> str:
    """What was written, in words."""
    left = sum(done.left_out.values())
    lines = [f"{done.records:,} records in {done.path} (manifest {manifest_of(done.path).name})"]
    if done.held_out:
        lines.append(f"  {done.held_out:,} held out in {held_out_of(done.path).name}")
    if done.answers_found is not None:
        lines.append(f"  an answer occurs in the passages of {done.answers_found:.1%}")
    if left:
        lines.append(f"  {left:,} left out:")
        common = sorted(done.left_out.items(), key=lambda item: -item[1])
        lines += [f"    {count:,} × {reason}" for reason, count in common[:8]]
    return "\n".join(lines)


def recipe_list() -> str:
    """Every recipe with its line, those of --config-dir too."""
    folders = [configs_folder(), *([Path(own)] if (own := config_dir_of_run()) else [])]
    files = sorted((file for each in folders for file in (each / "recipe").glob("*.yaml")), key=lambda file: file.stem)
    width = max(len(file.stem) for file in files)
    lines = [f"  {file.stem:<{width}}  {OmegaConf.load(file).about}" for file in files]
    return "\n".join(["Recipes of arc-data prepare <recipe>:", "", *lines])
