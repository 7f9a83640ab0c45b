"""Reports to read at once: single examples, paired comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.evaluation.reporting.reading.material import Material, by_id, examples_of, metrics_of, weight_of
from arc_encoder.evaluation.reporting.reading.runs import Run, check_comparable
from arc_encoder.evaluation.reporting.reading.summary import LOSSES
from arc_encoder.evaluation.reporting.significance import Comparison, compare
from arc_encoder.evaluation.reporting.tables.markdown import table
from arc_encoder.evaluation.runs.results import Row

KEYS = ("system", "benchmark", "decoder", "factor", "shots", "seed", "variant")
ASKED = ("benchmark", "decoder", "shots")
NEAR = ("variant", "system", "factor", "seed")  # where they tell several apart, those of the first are meant
# what the second part must have → the setting that says so
AGAINST = {"system": "against", "variant": "against_variant", "factor": "against_factor"}
# settings that each of the functions below takes
SETTINGS = {
    "examples": (*KEYS, "metric", "limit", "order", "against", "protocol"),
    "compare": (*KEYS, "metric", *AGAINST.values(), "protocol"),
}
MOST = 300  # characters of a text that are printed; the files have more
ORDERS = ("worst", "best", "asked")
OR = " / "  # between the seeds of two parts


def examples(places: Sequence[str], settings: Mapping[str, str]) -> str:
    """Single examples, by default those that went worst."""
    limit, order = settings.get("limit", "10"), settings.get("order", "worst")
    if not limit.isdigit() or int(limit) < 1:
        raise ConfigError(f"limit={limit}: expected a whole number from 1 on")
    if order not in ORDERS:
        raise ConfigError(f"order={order}: choose {', '.join(ORDERS)}")
    material = Material.of(places, settings.get("protocol"))
    first = only_one(parts_of(material.runs, _chosen(settings)), "examples")
    metric = settings.get("metric") or first[1].metric
    found = examples_of(*first)
    if metric not in metrics_of(found):
        raise ConfigError(f"metric={metric}: the examples have numbers for {', '.join(metrics_of(found))}")
    others = {}
    if "against" in settings:
        other = only_one(partners(material.runs, first, {"system": settings["against"]}), "against")
        others = by_id(examples_of(*other))
    keys = {id(each): key for key, each in by_id(found).items()}
    if order != "asked":
        found = [each for each in found if weight_of(each, metric)]  # the others have no value that could be sorted
        if not found:
            raise DataError(f"no example of {first[1].system} has a value of {metric}; choose another metric")
        sign = (-1 if metric in LOSSES else 1) * (1 if order == "worst" else -1)
        found.sort(key=lambda each: sign * each[metric])
    blocks = []
    for each in found[: int(limit)]:
        lines = [f"{each['id']}  {metric} {each[metric]:.{_digits(metric)}f}"]
        for name in ("document", "shown", "continuation"):
            if name in each:
                lines.append(f"  {name + ':':<10} {shorten(str(each[name]), MOST, placeholder='…')}")
        for name in ("question", "answer"):
            if name in each:
                lines.append(f"  {name + ':':<10} {each[name]}")
        if keys[id(each)] in others:
            lines.append(f"  {settings['against'] + ':':<10} {others[keys[id(each)]].get('answer', '')}")
        if "accepted" in each:
            lines.append(f"  {'accepted:':<10} {' | '.join(each['accepted'])}")
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def comparison(places: Sequence[str], settings: Mapping[str, str]) -> str:
    """A table of paired comparisons, a line for each part, and so for each seed, that both have."""
    pairs = _pairs(places, settings)
    seeds = [_seeds(first, second) for first, second in pairs]
    several = ["seed"] if len(set(seeds)) > 1 or any(OR in seed for seed in seeds) else []
    shots = ["shots"] if any(len(values) > 1 for values in _shots(pairs).values()) else []
    header = ["benchmark", *shots, *several, "first", "second", "metric", "examples", "first", "second", "difference"]
    rows = []
    for ((run, row), other), seed in zip(pairs, seeds, strict=True):
        metric = settings.get("metric") or row.metric
        names = (_name(run, row), _name(*other))
        found = compare(examples_of(run, row), examples_of(*other), metric, names=names)
        protocol = [*([described(run, row)["shots"]] if shots else []), *([seed] if several else [])]
        rows.append([row.benchmark, *protocol, *names, *_figures(found)])
    return table([*header, "95 %", "p"], rows)


def _pairs(places: Sequence[str], settings: Mapping[str, str]) -> list[tuple[PartOfRun, PartOfRun]]:
    """What is compared with what.

    Raises:
        ConfigError: it was not said.
        DataError: a part has no partner, or several.
    """
    protocol = settings.get("protocol")
    others = {key: settings[given] for key, given in AGAINST.items() if given in settings}
    if others:
        if "variant" in others and "variant" not in settings:
            raise ConfigError(
                f"against_variant={others['variant']}: say which variant is compared with it, as `variant`"
            )
        firsts = seconds = Material.of(places, protocol).runs
        what = " ".join(f"{given}={settings[given]}" for given in AGAINST.values() if given in settings)
    elif len(places) == 2:
        firsts, seconds = (Material.of([place], protocol).runs for place in places)
        check_comparable([*firsts, *seconds])
        what = str(places[1])
    else:
        raise ConfigError(
            "compare what with what? give a system as `against`, a name as `against_variant`, a number as `against_factor`, or two folders"
        )
    pairs = [
        (first, only_one(partners(seconds, first, others or _same(first)), what))
        for first in parts_of(firsts, _chosen(settings))
    ]
    for (run, row), (other, same) in pairs:
        if (run.folder, row.slug) == (other.folder, same.slug):
            raise ConfigError(
                f"{what}: {_name(run, row)} on {row.benchmark} would be compared with itself; say what tells the two apart"
            )
    return pairs


def _same(first: PartOfRun) -> dict[str, str]:
    """What a part of another folder must have in common to be the same one."""
    return {key: described(*first)[key] for key in ("system", "factor")}


def _chosen(settings: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in settings.items() if key in KEYS}


def _seeds(first: PartOfRun, second: PartOfRun) -> str:
    """The seed of both, or two where the second is of another; what was not trained has none in an ablation."""
    ours, theirs = described(*first)["seed"], described(*second)["seed"]
    untrained = "seed" in first[0].conditions and "seed" not in second[0].conditions
    return ours if ours == theirs or untrained else f"{ours}{OR}{theirs}"


def _shots(pairs: Sequence[tuple[PartOfRun, PartOfRun]]) -> dict[str, set[int | None]]:
    found: dict[str, set[int | None]] = {}
    for (_, row), _ in pairs:
        found.setdefault(row.benchmark, set()).add(row.shots)
    return found


def _name(run: Run, row: Row) -> str:
    values = described(run, row)
    factor = f" ×{values['factor']}" if values["factor"] else ""
    return " ".join(filter(None, [values["variant"], values["system"] + factor, values["decoder"]]))


def _figures(found: Comparison) -> list[str]:
    digits = _digits(found.metric)
    first, second, difference, low, high = (
        f"{value:.{digits}f}" for value in (found.first, found.second, found.difference, found.low, found.high)
    )
    return [found.metric, str(found.examples), first, second, difference, f"[{low}, {high}]", f"{found.p_value:.4f}"]


def _digits(metric: str) -> int:
    return 3 if metric in LOSSES else 1


PartOfRun = tuple[Run, Row]


def partners(runs: Sequence[Run], first: PartOfRun, wanted: Mapping[str, str]) -> list[PartOfRun]:
    """The parts of `runs` that answered what `first` answered and have the `wanted` values.

    Of several, those of the same ablation and scale, variant, system, factor and seed are left, as far as there are such.

    Raises:
        DataError: there is none.
    """
    same = described(*first)
    found = parts_of(runs, {**{key: same[key] for key in ASKED}, **wanted})
    for key in ("ablation", "scale"):
        found = [each for each in found if each[0].conditions.get(key) == first[0].conditions.get(key)] or found
    for key in NEAR:
        found = [each for each in found if described(*each)[key] == same[key]] or found
    return [each for each in found if each[1].seed == first[1].seed] or found


def parts_of(runs: Sequence[Run], wanted: Mapping[str, str]) -> list[tuple[Run, Row]]:
    """One row for each part that has the wanted values; values are compared as text.

    Raises:
        DataError: none has them, with what there is.
    """
    every: dict[tuple[str, str], tuple[Run, Row]] = {}
    for run in runs:
        for row in run.rows:
            every.setdefault((str(run.folder), row.slug), (run, row))
    found = [each for each in every.values() if all(described(*each)[key] == value for key, value in wanted.items())]
    if not found:
        known = {key: sorted({described(*each)[key] for each in every.values()} - {""}) for key in KEYS}
        shown = "; ".join(f"{key}: {', '.join(values)}" for key, values in known.items() if values)
        asked = " ".join(f"{key}={value}" for key, value in wanted.items())
        raise DataError(f"no part of these runs has {asked}; there are {shown}")
    return found


def described(run: Run, row: Row) -> dict[str, str]:
    """What tells a part apart, as texts."""
    values = {
        "system": row.system,
        "benchmark": row.benchmark,
        "decoder": row.decoder,
        "factor": row.pooling_factor,
        "shots": row.shots,
        "seed": run.conditions.get("seed", row.seed),
        "variant": run.variant,
    }
    return {key: "" if value is None else str(value) for key, value in values.items()}


def only_one(found: list[tuple[Run, Row]], what: str) -> tuple[Run, Row]:
    """The single part.

    Raises:
        DataError: there are several, with what tells them apart.
    """
    if len(found) == 1:
        return found[0]
    tables = [described(*each) for each in found]
    differing = {key: sorted({each[key] for each in tables}) for key in KEYS}
    shown = "; ".join(f"{key}={'|'.join(values)}" for key, values in differing.items() if len(values) > 1)
    raise DataError(f"{what}: {len(found)} parts fit; choose one of them with {shown or 'a single folder'}")
