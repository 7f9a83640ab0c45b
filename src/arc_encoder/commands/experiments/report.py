"""`arc-report`: finished runs → tables, plots and a page; their examples; two systems compared. From files alone.

Run command: ``arc-report logs/eval/<date_time> output=logs/report``
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from arc_encoder.config.app.failing import user_errors
from arc_encoder.config.app.usage import REPORT
from arc_encoder.config.app.words import split_places
from arc_encoder.core.errors import ConfigError

PAGE = ("output", "title", "protocol")  # settings of a report


def main() -> None:
    """Console entry point."""
    words = sys.argv[1:]
    if not words or words[0] in ("--help", "-h"):
        print(REPORT, end="")
        return
    verb = words.pop(0) if words[0] in ("examples", "compare") else "page"
    try:
        with user_errors():
            print(_page(words) if verb == "page" else _printed(verb, words), flush=True)
    except BrokenPipeError:  # who read what is printed, such as `head`, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _page(words: Sequence[str]) -> str:
    places, settings = split_places(words, PAGE)
    if "output" not in settings:
        raise ConfigError("say where to write: output=<folder>")
    from arc_encoder.evaluation.reporting.page import report  # with all that reads and draws runs

    written = report(places, **_named(settings))
    table = next((file for file in written[2:] if file.suffix == ".md"), written[1])
    return "\n".join([table.read_text(encoding="utf-8"), *(f"written: {file}" for file in written)])


def _printed(verb: str, words: Sequence[str]) -> str:
    from arc_encoder.evaluation.reporting import printed

    places, settings = split_places(words, printed.SETTINGS[verb])
    return {"examples": printed.examples, "compare": printed.comparison}[verb](places, settings)


def _named(settings: Mapping[str, str]) -> dict[str, str]:
    return {key: settings[key] for key in PAGE if key in settings}
