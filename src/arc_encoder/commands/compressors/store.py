"""`arc-store`: look after a store of compressed documents. Run command: ``arc-store verify <folder>``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from arc_encoder.config.app.failing import user_errors

if TYPE_CHECKING:
    from arc_encoder.inference.storage import VectorStore

VERBS = {
    "info": "what it holds",
    "verify": "check every file and every document; leaves with 1 if something is wrong",
    "compact": "give back the room of what was deleted or replaced; nobody else may write meanwhile",
    "delete": "forget documents",
}


def main() -> None:
    """Console entry point; leaves with 1 if a store is not sound, with 2 if nothing could be done."""
    parser = argparse.ArgumentParser(prog="arc-store", description="Look after a store of compressed documents.")
    verbs = parser.add_subparsers(required=True, metavar="verb", dest="verb")
    for name, about in VERBS.items():
        verb = verbs.add_parser(name, help=about)
        verb.add_argument("folder", type=Path, help="of the store")
    verb.add_argument("id", nargs="+", help="of the documents")
    arguments = parser.parse_args()
    from arc_encoder.inference.storage import VectorStore

    with user_errors():
        sys.exit(run(arguments, VectorStore(arguments.folder)))


def run(arguments: argparse.Namespace, store: VectorStore) -> int:
    """Do what the verb says, and print what came of it; the exit status."""
    problems = store.verify() if arguments.verb == "verify" else []
    if arguments.verb == "info":
        from arc_encoder.inference.storage.summary import summary

        print(summary(store))
    elif arguments.verb == "verify":
        print("\n".join(problems) if problems else f"{len(store):,} documents, all sound")
    elif arguments.verb == "compact":
        print(f"{store.compact() / 1e6:,.1f} MB given back")
    else:
        store.delete(arguments.id)
        print(f"{len(arguments.id)} deleted; arc-store compact {store.folder} gives their room back")
    return 1 if problems else 0
