"""`arc-data prepare`: a public data set as files that arc-train reads.

Run command: ``arc-data prepare squad``, or ``arc-data prepare nq_open passages=wikipedia.jsonl.gz``
"""

from __future__ import annotations

import shlex
import sys

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from arc_encoder.config.app.failing import fail
from arc_encoder.config.app.run import run_app
from arc_encoder.config.app.words import split_words
from arc_encoder.tools.preparation.configured import describe, prepare, recipe_list


def run(config: DictConfig) -> None:
    """Make the files of the chosen recipe, and say what they hold; without one, list them all."""
    if config.get("recipe") is None:
        print(recipe_list())
        return
    name = str(HydraConfig.get().runtime.choices["recipe"])
    for done in prepare(config, name=name, command=shlex.join(["arc-data", "prepare", *sys.argv[1:]])):
        print(describe(done))


def main() -> None:
    """Entry point of the verb; the first word that is no setting is the recipe."""
    words, options, overrides = split_words(sys.argv[1:])
    if len(words) > 1:
        fail(f"one recipe at a time, but {', '.join(words)} were given; settings are written key=value")
    sys.argv[1:] = [*options, *(f"recipe={word}" for word in words), *overrides]
    run_app("prepare", run)
