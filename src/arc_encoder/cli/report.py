"""`arc-report`: finished runs → tables, plots and a page; their examples; two systems compared. From files alone.

Run command: ``arc-report logs/eval/<date_time> output=logs/report``
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from arc_encoder.cli.app import fail
from arc_encoder.cli.check import suggest
from arc_encoder.errors import ArcError, ConfigError
from arc_encoder.evaluation.results import Row
from arc_encoder.reporting.choice import KEYS, described, only_one, parts_of
from arc_encoder.reporting.markdown import table
from arc_encoder.reporting.material import Material, examples_of
from arc_encoder.reporting.runs import Run
from arc_encoder.reporting.significance import Comparison, compare

USAGE = """arc-report: what finished runs say, from their files alone

  arc-report <folders> output=<folder> [title=…] [protocol=strict]
      tables (Markdown, LaTeX, CSV), plots (PNG, SVG) and one HTML page of every evaluation in or below the folders
  arc-report examples <folders> [system=arc] [benchmark=toy_qa] [metric=exact_match] [limit=10] [order=worst] [against=open_book]
      single examples: question, answer, accepted answers; order=worst, best or asked
  arc-report compare <folders> system=arc against=open_book [metric=exact_match]
      two systems on the same examples: difference, interval, p-value; two folders: the same system in both

  Parts are chosen with system=, benchmark=, decoder=, factor=, shots=, seed=, variant=.
"""
SETTINGS = {
    "page": ("output", "title", "protocol"),
    "examples": (*KEYS, "metric", "limit", "order", "against", "protocol"),
    "compare": (*KEYS, "metric", "against", "protocol"),
}
PartOfRun = tuple[Run, Row]
ORDERS = ("worst", "best", "asked")


def main() -> None:
    """Console entry point."""
    words = sys.argv[1:]
    if not words or words[0] in ("--help", "-h"):
        print(USAGE, end="")
        return
    verb = words.pop(0) if words[0] in ("examples", "compare") else "page"
    try:
        places, settings = _sorted_out(verb, words)
        {"page": page, "examples": examples, "compare": comparison}[verb](places, settings)
    except ArcError as error:
        fail(str(error))


def page(places: Sequence[str], settings: Mapping[str, str]) -> None:
    """Write a report and say where it is."""
    from arc_encoder.reporting.page import write_report
    from arc_encoder.reporting.score_tables import score_table

    if "output" not in settings:
        raise ConfigError("say where to write: output=<folder>")
    material = Material.of(places, settings.get("protocol"))
    title = settings.get("title") or ", ".join(Path(place).resolve().name for place in places)
    written = write_report(material, Path(settings["output"]), title=title)
    print(score_table(material.figures).markdown())
    print("\n".join(f"written: {file}" for file in written))


def examples(places: Sequence[str], settings: Mapping[str, str]) -> None:
    """Print single examples, by default those that went worst."""
    limit, order = settings.get("limit", "10"), settings.get("order", "worst")
    if not limit.isdigit() or int(limit) < 1:
        raise ConfigError(f"limit={limit}: expected a whole number from 1 on")
    if order not in ORDERS:
        raise ConfigError(f"order={order}: choose {', '.join(ORDERS)}")
    material = Material.of(places, settings.get("protocol"))
    wanted = {key: value for key, value in settings.items() if key in KEYS}
    run, row = only_one(parts_of(material.runs, wanted), "examples")
    metric = settings.get("metric") or row.metric
    found = examples_of(run, row)
    if metric not in found[0]:
        raise ConfigError(f"metric={metric}: the examples have {', '.join(k for k in found[0] if k != 'weights')}")
    others = {}
    if "against" in settings:
        other = only_one(_against(material, described(run, row), settings), "against")
        others = {each["id"]: each for each in examples_of(*other)}
    if order != "asked":
        sign = (-1 if "loss" in metric else 1) * (1 if order == "worst" else -1)
        found.sort(key=lambda each: sign * each[metric])
    for each in found[: int(limit)]:
        lines = [f"{each['id']}  {metric} {each[metric]:.1f}"]
        for name in ("question", "answer"):
            if name in each:
                lines.append(f"  {name + ':':<10} {each[name]}")
        if each["id"] in others:
            lines.append(f"  {settings['against'] + ':':<10} {others[each['id']].get('answer', '')}")
        if "accepted" in each:
            lines.append(f"  {'accepted:':<10} {' | '.join(each['accepted'])}")
        print("\n".join(lines), end="\n\n")


def comparison(places: Sequence[str], settings: Mapping[str, str]) -> None:
    """Print a table of paired comparisons, a line for each part that both have."""
    wanted = {key: value for key, value in settings.items() if key in KEYS}
    if "against" in settings:
        material = Material.of(places, settings.get("protocol"))
        firsts = parts_of(material.runs, wanted)
        pairs = [(first, only_one(_against(material, described(*first), settings), "against")) for first in firsts]
    elif len(places) == 2:
        left, right = (Material.of([place], settings.get("protocol")) for place in places)
        firsts = parts_of(left.runs, wanted)
        pairs = []
        for first in firsts:
            same = {key: value for key, value in described(*first).items() if key not in ("variant", "seed")}
            pairs.append((first, only_one(parts_of(right.runs, same), str(places[1]))))
    else:
        raise ConfigError("compare what with what? give against=<system>, or two folders")
    header = ["benchmark", "first", "second", "metric", "examples", "first", "second", "difference", "95 %", "p"]
    rows = []
    for (run, row), (other_run, other) in pairs:
        metric = settings.get("metric") or row.metric
        found = compare(examples_of(run, row), examples_of(other_run, other), metric)
        rows.append([row.benchmark, _name(run, row), _name(other_run, other), *_figures(found)])
    print(table(header, rows))


def _against(material: Material, first: Mapping[str, str], settings: Mapping[str, str]) -> list[PartOfRun]:
    same = {key: first[key] for key in ("benchmark", "decoder", "shots")}
    found = parts_of(material.runs, {**same, "system": settings["against"]})
    for key in ("factor", "variant", "seed"):  # where they tell several apart, those of the first are meant
        close = [each for each in found if described(*each)[key] == first[key]]
        found = close or found
    return found


def _name(run: Run, row: Row) -> str:
    values = described(run, row)
    factor = f" ×{values['factor']}" if values["factor"] else ""
    return " ".join(filter(None, [values["variant"], values["system"] + factor, values["decoder"]]))


def _figures(found: Comparison) -> list[str]:
    digits = 3 if "loss" in found.metric else 1
    first, second, difference, low, high = (
        f"{value:.{digits}f}" for value in (found.first, found.second, found.difference, found.low, found.high)
    )
    return [found.metric, str(found.examples), first, second, difference, f"[{low}, {high}]", f"{found.p_value:.4f}"]


def _sorted_out(verb: str, words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    places, settings = [], {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or Path(word).exists():
            places.append(word)
        elif key not in SETTINGS[verb]:
            raise ConfigError(
                f"{word}: no such setting{suggest(key, SETTINGS[verb])}; there are {', '.join(SETTINGS[verb])}"
            )
        else:
            settings[key] = value
    if not places:
        raise ConfigError("give at least one folder of a finished run; arc-report --help shows how")
    return places, settings


if __name__ == "__main__":
    main()
