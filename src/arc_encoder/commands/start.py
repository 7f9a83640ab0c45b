"""The way into every command: help and misspelt words are answered before anything large is imported.

Run command: ``arc --help``, ``arc train …`` or ``arc-train …``
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from functools import partial

from arc_encoder.commands.catalogue import COMMANDS, overview
from arc_encoder.commands.nested import MOVED, NESTED

INTERRUPTED = 130  # exit status of what Ctrl-C ended, as shells give it


def main() -> None:
    """Console entry point of `arc`: the first word is the command."""
    words = sys.argv[1:]
    if not words or words[0] in ("--help", "-h"):
        print(overview())
        return
    if words[0] not in COMMANDS:
        from arc_encoder.config.app.failing import fail
        from arc_encoder.config.validation.suggestions import suggest

        now = f"; {MOVED[words[0]]}" if words[0] in MOVED else suggest(words[0], COMMANDS)
        fail(f"arc {words[0]}: no such command{now}")
    sys.argv = [f"arc-{words[0]}", *words[1:]]
    start(words[0])


def start(name: str) -> None:
    """Run the command `name` on the words of the command line."""
    command = COMMANDS[name]
    if (name, *sys.argv[1:2]) in NESTED:
        command = NESTED[name, sys.argv.pop(1)]
    try:  # around imports too
        from arc_encoder.config.app.help import answered

        if command.config is not None and answered(command.config):
            return
        module, _, entry = command.module.partition(":")
        getattr(importlib.import_module(f"arc_encoder.commands.{module}"), entry or "main")()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def __getattr__(name: str) -> Callable[[], None]:
    """The console entry point of a command: `train` for arc-train, `lm_eval` for arc-lm-eval."""
    command = name.replace("_", "-")
    if command not in COMMANDS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return partial(start, command)
