"""`arc-report`: finished runs → tables, plots and a page; their examples; two systems compared. From files alone.

Run command: ``arc-report logs/eval/<date_time> output=logs/report``
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from arc_encoder.config.app.failing import fail
from arc_encoder.config.validation.suggestions import suggest
from arc_encoder.core.errors import ArcError, ConfigError

USAGE = """arc-report: what finished runs say, from their files alone

  arc-report <folders> output=<folder> [title=…] [protocol=strict]
      tables (Markdown, LaTeX, CSV), plots (PNG, SVG) and one HTML page of every evaluation in or below the folders,
      or of trainings that were not evaluated, such as a sweep
  arc-report examples <folders> [system=arc] [benchmark=toy_qa] [metric=exact_match] [limit=10] [order=worst] [against=open_book]
      single examples: question, answer, accepted answers; order=worst, best or asked
  arc-report compare <folders> system=arc against=open_book [metric=exact_match]
  arc-report compare <folders> variant=causal against_variant=bidirectional [system=arc] [metric=exact_match]
  arc-report compare <folders> system=arc factor=4 against_factor=8 [metric=exact_match]
  arc-report compare <folder> <another> [metric=exact_match]
      two systems, two variants of an ablation, two pooling factors, or the same in two folders, on the same examples and the same seed:
      difference, interval, p-value; a line for each seed

  Parts are chosen with system=, benchmark=, decoder=, factor=, shots=, seed=, variant=.
"""


def main() -> None:
    """Console entry point."""
    words = sys.argv[1:]
    if not words or words[0] in ("--help", "-h"):
        print(USAGE, end="")
        return
    from arc_encoder.evaluation.reporting import printed  # with all that reads runs

    verb = words.pop(0) if words[0] in ("examples", "compare") else "page"
    try:
        places, settings = _sorted_out(words, printed.SETTINGS[verb])
        {"page": printed.page, "examples": printed.examples, "compare": printed.comparison}[verb](places, settings)
        sys.stdout.flush()
    except ArcError as error:
        fail(str(error))
    except BrokenPipeError:  # who read what is printed, such as `head`, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _sorted_out(words: Sequence[str], known: Sequence[str]) -> tuple[list[str], Mapping[str, str]]:
    places, settings = [], {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or Path(word).exists():
            places.append(word)
        elif key not in known:
            raise ConfigError(f"{word}: no such setting{suggest(key, known)}; there are {', '.join(known)}")
        else:
            settings[key] = value
    if not places:
        raise ConfigError("give at least one folder of a finished run; arc-report --help shows how")
    return places, settings


if __name__ == "__main__":
    main()
