"""`arc-data`: look at data before training on it, and make it from public sets.

Run command: ``arc-data check my.jsonl.gz`` or ``arc-data prepare squad``
"""

from __future__ import annotations

import importlib
import sys

from arc_encoder.config.app.failing import fail
from arc_encoder.config.app.help import show_help
from arc_encoder.config.app.usage import DATA
from arc_encoder.config.app.words import split_words
from arc_encoder.config.validation.suggestions import suggest

VERBS = ("check", "prepare")


def main() -> None:
    """Console entry point: the first word is the verb, the rest goes to its command."""
    verb = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if verb in ("--help", "-h"):
        print(DATA, end="")
        return
    if verb not in VERBS:
        fail(f"arc-data {verb}: no such verb{suggest(verb, VERBS)}; arc-data --help shows how they are used")
    sys.argv[1:] = sys.argv[2:]
    if {"--help", "-h", "--hydra-help"} & set(sys.argv):
        sys.argv[1:] = split_words(sys.argv[1:])[1]  # words that are no settings mean nothing to Hydra
        show_help(verb)
        return
    importlib.import_module(f"{__package__}.data_{verb}").main()
