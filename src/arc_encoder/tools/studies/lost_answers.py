"""Which answers are lost in vectors, how well that is predicted, and what falling back on that is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc

from arc_encoder.data.records import Question, Source
from arc_encoder.evaluation.reporting.tables.markdown import table
from arc_encoder.inference import Compressor
from arc_encoder.inference.fallback.probe import AnswerProbe
from arc_encoder.tools.studies.readings import Readings, drawn, opening_of, read_all

SHARES = tuple(share / 20 for share in range(21))  # of documents that are replaced, the riskiest first
DRAWS = 1000  # of the bootstrap


@dataclass(frozen=True)
class Point:
    """One policy.

    Attributes:
        share: of documents that were replaced.
        positions: that a document takes on average.
        accuracy: percent of answers that are right.
    """

    share: float
    positions: float
    accuracy: float


def losses(readings: Mapping[str, Readings]) -> dict[str, Tensor]:
    """For each factor, (N,) whether the text's answer is right and the vectors' is wrong."""
    text = readings["text"].right
    return {name: text & ~each.right for name, each in readings.items() if name != "text"}


def fit_probe(readings: Mapping[str, Readings], *, encoder: str, decoder_name: str, seed: int) -> AnswerProbe:
    """A probe that learned from all factors together.

    Raises:
        DataError: too few answers that are lost, or that are not.
    """
    lost = losses(readings)
    features = torch.cat([f for name in lost if (f := readings[name].features) is not None])
    return AnswerProbe.fit(
        features, torch.cat(list(lost.values())), encoder=encoder, decoder_name=decoder_name, seed=seed
    )


def auc(risk: Tensor, lost: Tensor, seed: int = 0) -> tuple[float, float, float]:
    """Area under the ROC curve, with its bootstrap interval of 95 %; NaN where all or none are lost."""
    generator = torch.Generator().manual_seed(seed)
    draws = []
    for _ in range(DRAWS):
        places = torch.randint(len(lost), (len(lost),), generator=generator)
        if 0 < int(lost[places].sum()) < len(lost):
            draws.append(float(binary_auroc(risk[places], lost[places].long())))
    if not 0 < int(lost.sum()) < len(lost) or not draws:
        return (float("nan"),) * 3
    low, high = torch.tensor(draws).quantile(torch.tensor([0.025, 0.975])).tolist()
    return float(binary_auroc(risk, lost.long())), low, high


def curve(base: Readings, instead: Readings, risk: Tensor) -> list[Point]:
    """The riskiest documents read in another way, from none to all of them."""
    order = risk.argsort(descending=True, stable=True)
    found = []
    for share in SHARES:
        replaced = torch.zeros(len(order), dtype=torch.bool)
        replaced[order[: round(share * len(order))]] = True
        right = torch.where(replaced, instead.right, base.right).float().mean()
        positions = torch.where(replaced, instead.positions, base.positions).mean()
        found.append(Point(share, float(positions), 100 * float(right)))
    return found


def at(points: list[Point], positions: float) -> float | None:
    """Accuracy of a curve at a number of positions, between two of its points; None outside."""
    for before, after in pairwise(points):
        low, high = sorted([before, after], key=lambda point: point.positions)
        if low.positions <= positions <= high.positions:
            if high.positions == low.positions:
                return max(low.accuracy, high.accuracy)
            part = (positions - low.positions) / (high.positions - low.positions)
            return low.accuracy + part * (high.accuracy - low.accuracy)
    return None


def study_lost_answers(
    compressor: Compressor,
    questions: Source[Question],
    factors: Sequence[float],
    right: Callable[[str, Sequence[str]], bool],
    *,
    train: int,
    test: int,
    max_new_tokens: int,
    batch_size: int,
    seed: int,
    shots: int = 0,
) -> tuple[AnswerProbe, dict[str, Any]]:
    """Train a probe on some questions and measure it on others.

    Args:
        right: answer, accepted answers → whether it is right.
        train, test: questions that the probe learns from, and that everything is measured on; about different documents.

    Returns:
        the probe; and results: `ways` (accuracy and positions), `auc` of each sign for each factor, `policies` (curves).

    Raises:
        DataError: too few questions, or too few of whose answers are lost.
    """
    first, last = drawn(questions, train + shots, test, seed)
    both = read_all(
        compressor,
        [*first[shots:], *last],
        factors,
        right,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        opening=opening_of(first[:shots]),
    )
    seen = {name: each.part(torch.arange(train)) for name, each in both.items()}
    held_out = {name: each.part(torch.arange(train, train + test)) for name, each in both.items()}
    probe = fit_probe(seen, encoder=compressor.fingerprint, decoder_name=compressor.decoder_name, seed=seed)
    return probe, measured(probe, held_out, seed)


def measured(probe: AnswerProbe, readings: Mapping[str, Readings], seed: int) -> dict[str, Any]:
    """What a probe is worth on questions that it has not seen."""
    lost = losses(readings)
    ways = {
        name: {"accuracy": 100 * float(each.right.float().mean()), "positions": float(each.positions.mean())}
        for name, each in readings.items()
    }
    signs, policies = {}, {}
    generator = torch.Generator().manual_seed(seed)
    for name, each in readings.items():
        if each.features is None or each.fidelity is None:
            continue
        risks = {
            "probe": probe.risk(each.features),
            "fidelity": 1 - each.fidelity,
            "first token": -each.features[:, 0],
            "by chance": torch.rand(len(each.right), generator=generator),
        }
        signs[name] = {
            "lost": float(lost[name].float().mean()),
            **{s: auc(risk, lost[name]) for s, risk in risks.items()},
        }
        others = {k: v for k, v in readings.items() if v.positions.mean() > each.positions.mean()}
        policies[name] = {
            sign: {k: [asdict(point) for point in curve(each, v, risks[sign])] for k, v in others.items()}
            for sign in ("probe", "fidelity", "by chance")
        }
    return {"ways": ways, "auc": signs, "policies": policies, "at_equal_positions": compared(probe, readings)}


def compared(probe: AnswerProbe, readings: Mapping[str, Readings]) -> dict[str, dict[str, float]]:
    """For each fixed factor, the accuracy of falling back from a larger one at as many positions."""
    found: dict[str, dict[str, float]] = {}
    for fixed, goal in readings.items():
        positions = float(goal.positions.mean())
        if fixed == "text":
            continue
        row = {fixed: 100 * float(goal.right.float().mean())}
        for base, each in readings.items():
            if each.features is None or each.positions.mean() >= positions:
                continue
            for other, instead in readings.items():
                if other != fixed and instead.positions.mean() > each.positions.mean():
                    accuracy = at(curve(each, instead, probe.risk(each.features)), positions)
                    if accuracy is not None:
                        row[f"{base}, unsure as {other}"] = accuracy
        found[fixed] = row
    return found


def tables(results: Mapping[str, Any]) -> str:
    """Results as Markdown."""
    ways = [[name, f"{each['positions']:.1f}", f"{each['accuracy']:.1f}"] for name, each in results["ways"].items()]
    signs = ("probe", "fidelity", "first token", "by chance")
    areas = [
        [name, f"{100 * each['lost']:.1f}", *("{:.2f} [{:.2f}, {:.2f}]".format(*each[sign]) for sign in signs)]
        for name, each in results["auc"].items()
    ]
    equal = [
        [fixed, policy, f"{accuracy:.1f}"]
        for fixed, row in results["at_equal_positions"].items()
        for policy, accuracy in row.items()
    ]
    return "\n\n".join(
        [
            table(["the decoder reads", "positions", "right, %"], ways),
            table(["vectors", "lost, %", *(f"AUC by {sign}" for sign in signs)], areas),
            table(["at the positions of", "policy", "right, %"], equal),
        ]
    )
