"""Every golden case below a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from tqdm import tqdm

from arc_encoder.core.errors import ArcError, DataError
from arc_encoder.evaluation.metrics.answers import METRICS, normalise
from arc_encoder.evaluation.metrics.corpus import bleu_of, bleu_statistics
from arc_encoder.model.encoder.pooling.grouping import balanced_groups, group_counts
from arc_encoder.tools.parity.case import Case
from arc_encoder.tools.parity.comparison import Comparison
from arc_encoder.tools.parity.forward import check_batch
from arc_encoder.tools.parity.generation import check_end_of_text, check_generation

# Batches and prompts as the public implementation builds them: examples to understand, some of them slips.
NOT_COMPARED = ("data", "eval")


def run_suite(
    folder: Path, *, device: str = "cpu", dtype: torch.dtype = torch.float32, scale: float = 1.0, progress: bool = True
) -> list[Comparison]:
    """Check every golden case below `folder`.

    Args:
        scale: factor on every tolerance, for dtypes and devices with less precision.

    Raises:
        DataError: there is no case.
    """
    places = list(find_cases(folder))
    if not places:
        raise DataError(
            f"{folder} holds no golden case; expected folders with config.json, io.json and checkpoints/, generate/, "
            "metrics.json or pooling_groups.json"
        )
    cases: dict[str, Case] = {
        place.name: Case(place, device=device, dtype=dtype) for kind, place in places if kind == "case"
    }
    results = []
    for kind, place in tqdm(places, desc="parity", unit="case", disable=not progress, leave=False):
        found = Comparison(str(place.relative_to(folder)), scale=scale)
        try:
            _check(kind, place, cases, folder, found)
        except (
            ArcError,
            SafetensorError,
            KeyError,
            ValueError,
            RuntimeError,
            OSError,
        ) as error:  # one broken case hides no other
            found.problems.append(f"{type(error).__name__}: {error}")
        results.append(found)
    return results


def find_cases(folder: Path) -> Iterator[tuple[str, Path]]:
    """Kind and place of each case, in a fixed order."""
    for file in sorted(folder.rglob("io.json")):
        if not set(NOT_COMPARED) & set(file.relative_to(folder).parts[:-1]):
            yield ("case" if (file.parent / "checkpoints").is_dir() else "generation"), file.parent
    for name in ("pooling_groups.json", "metrics.json"):
        for file in sorted(folder.rglob(name)):
            yield name, file


def _check(kind: str, place: Path, cases: dict[str, Case], folder: Path, found: Comparison) -> None:
    if kind == "case":
        for batch in cases[place.name].records:
            check_batch(cases[place.name], batch, found)
    elif kind == "generation":
        _check_generation(place, cases, found)
    elif kind == "metrics.json":
        check_metrics(place, found)
    else:
        check_groups(place, found)


def _check_generation(place: Path, cases: dict[str, Case], found: Comparison) -> None:
    record = json.loads((place / "io.json").read_text())
    if "call" in record:
        with torch.no_grad():
            check_generation(place, _named(cases, record["call"]["case"]), found)
        return
    # Runs with other end-of-text tokens, of the prompts of the neighbour that gives the same tokens.
    for neighbour in sorted(place.parent.glob("*/io.json")):
        other = json.loads(neighbour.read_text())
        if other.get("generated_tokens") == record.get("base_generated"):
            with torch.no_grad():
                check_end_of_text(record, neighbour.parent, _named(cases, other["call"]["case"]), found)
            return
    raise DataError(f"{place} has no neighbour with its prompts")


def _named(cases: dict[str, Case], name: str) -> Case:
    if name not in cases:
        raise DataError(f"the golden case {name!r} is not here; here are: {', '.join(cases) or 'none'}")
    return cases[name]


SCORES = {"exact_match": "em", "f1": "f1", "rouge_l": "rouge_l"}
PERCENT = 1e-9  # scores are computed in float64


def check_groups(file: Path, found: Comparison) -> None:
    """Group sizes by pooling rate and length: below −1 a factor, above 0 a number of vectors, 0 one vector."""
    for rate, by_length in json.loads(file.read_text())["groups"].items():
        for length, sizes in by_length.items():
            tokens, number = torch.tensor([int(length)]), int(rate)
            counts = group_counts(tokens, -number) if number < 0 else tokens.clamp(max=max(number, 1))
            groups = balanced_groups(tokens, counts)
            found.same(f"sizes of {length} tokens at rate {rate}", groups.mask.sum(-1)[0].tolist(), sizes)
            found.same("order of tokens", groups.index[groups.mask].tolist(), list(range(int(length))))


def check_metrics(file: Path, found: Comparison) -> None:
    """Scores of pairs of prediction and accepted answers, and corpus BLEU."""
    content = json.loads(file.read_text())
    for pair in content["pairs"]:
        prediction, answers = pair["prediction"], pair["references"]
        found.same("normalised prediction", normalise(prediction), pair["normalized_prediction"])
        found.same("normalised answers", [normalise(answer) for answer in answers], pair["normalized_references"])
        for name, key in SCORES.items():
            score = METRICS[name]
            singles = torch.tensor([score(prediction, [answer]) for answer in answers], dtype=torch.float64)
            recorded = torch.tensor([100.0 * value for value in pair[key]], dtype=torch.float64)
            found.close(name, singles, recorded, PERCENT)
            best = torch.tensor([score(prediction, answers)], dtype=torch.float64)
            found.close(name, best, torch.tensor([100.0 * pair[f"max_{key}"]], dtype=torch.float64), PERCENT)
        found.same("substring match", METRICS["substring_match"](prediction, answers) > 0, pair["has_answer"])
        single = torch.tensor([METRICS["bleu"](prediction, answers[:1])], dtype=torch.float64)
        found.close("bleu", single, torch.tensor([pair["bleu_sentence_vs_first_ref"]], dtype=torch.float64), PERCENT)
    recorded_corpus = content.get("corpus", {}).get("bleu_corpus_translation")
    if recorded_corpus:
        answers = [[each] for each in recorded_corpus["references"]]
        value = bleu_of(bleu_statistics(recorded_corpus["predictions"], answers))
        expected = torch.tensor([recorded_corpus["bleu"]], dtype=torch.float64)
        found.close("corpus bleu", torch.tensor([value], dtype=torch.float64), expected, PERCENT)
