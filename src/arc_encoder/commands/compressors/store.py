"""`arc-store`: look after a store of compressed documents.

Run command: ``arc-store verify <folder>``
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from arc_encoder.config.app.failing import fail
from arc_encoder.core.errors import ArcError

if TYPE_CHECKING:
    from arc_encoder.inference.storage import VectorStore


def main() -> None:
    """Console entry point; leaves with 1 if a store is not sound, with 2 if nothing could be done."""
    arguments = _parser().parse_args()
    from arc_encoder.inference.storage import VectorStore

    try:
        sys.exit(arguments.run(VectorStore(arguments.folder), arguments))
    except ArcError as error:
        fail(str(error))


def info(store: VectorStore, arguments: argparse.Namespace) -> int:
    """Print what a store holds."""
    entries = list(store.index.entries())
    size = sum(store.shards.sizes().values())
    tokens = sum(entry.tokens for entry in entries)
    vectors = sum(entry.count for entry in entries)
    measured = [entry.fidelity for entry in entries if entry.fidelity is not None]
    factors = sorted({entry.factor or 0 for entry in entries})
    print(f"documents   {len(entries):,}, {sum(entry.text is not None for entry in entries):,} of them with their text")
    print(f"vectors     {vectors:,} for {tokens:,} tokens; {tokens / max(vectors, 1):.2f} tokens each")
    print(f"factors     {', '.join(f'{factor:g}' for factor in factors)}")
    if measured:
        mean = sum(measured) / len(measured)
        print(
            f"fidelity    {mean:.2f} on average, {min(measured):.2f} at least; {len(measured):,} documents were measured"
        )
    print(f"shards      {len(store.index.shards()):,} in use, {size / 1e6:,.1f} MB in all")
    print(f"kept by     {type(store.codec).__name__} {store.codec.settings() or ''}".rstrip())
    for name, value in store.models.items():
        print(f"{name:<11} {value}")
    return 0


def verify(store: VectorStore, arguments: argparse.Namespace) -> int:
    """Print what is wrong with a store."""
    problems = store.verify()
    print("\n".join(problems) if problems else f"{len(store):,} documents, all sound")
    return 1 if problems else 0


def compact(store: VectorStore, arguments: argparse.Namespace) -> int:
    """Give back the room of what was deleted or replaced."""
    print(f"{store.compact() / 1e6:,.1f} MB given back")
    return 0


def delete(store: VectorStore, arguments: argparse.Namespace) -> int:
    """Forget documents."""
    store.delete(arguments.id)
    print(f"{len(arguments.id)} deleted; arc-store compact {store.folder} gives their room back")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="arc-store", description="Look after a store of compressed documents.")
    verbs = parser.add_subparsers(required=True, metavar="verb")
    for name, run, told in (
        ("info", info, "what it holds"),
        ("verify", verify, "check every file and every document; leaves with 1 if something is wrong"),
        ("compact", compact, "give back the room of what was deleted or replaced; nobody else may write meanwhile"),
        ("delete", delete, "forget documents"),
    ):
        verb = verbs.add_parser(name, help=told)
        verb.add_argument("folder", type=Path, help="of the store")
        verb.set_defaults(run=run)
    verb.add_argument("id", nargs="+", help="of the documents")
    return parser


if __name__ == "__main__":
    main()
