"""Recorded tables: group sizes of poolings, and scores of answers."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from arc_encoder.evaluation.metrics.answers import METRICS, normalise
from arc_encoder.evaluation.metrics.corpus import bleu_of, bleu_statistics
from arc_encoder.model.encoder.pooling.grouping import balanced_groups, group_counts
from arc_encoder.tools.parity.comparison import Comparison

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
