"""Lines, panels and cells of plots: what differs in decoder, variant, shots or ablation is not mixed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from arc_encoder.reporting.figures import PLOTS
from arc_encoder.reporting.material import Material
from tests.reporting.conftest import Finished, part


def drawn(name: str, folder: Path) -> list[Any]:
    """The panels of a plot; colour bars have no title."""
    figure = PLOTS[name][1](Material.of([folder]))
    assert figure is not None
    return [axis for axis in figure.axes if axis.get_visible() and axis.get_label() != "<colorbar>"]


def labels(axis: Any) -> list[str]:
    return list(axis.get_legend_handles_labels()[1])


def test_shots_have_panels_of_their_own(finished: Finished, tmp_path: Path) -> None:
    scores = {part(shots=shots, factor=factor): [100.0 / factor] for shots in (0, 5) for factor in (4, 8)}
    finished("a", {**scores, part(benchmark="other", factor=4): [1.0], part(benchmark="other", factor=8): [1.0]})
    for plot in ("score_against_factor", "score_against_bytes"):
        titles = [axis.get_title() for axis in drawn(plot, tmp_path)]
        assert titles == ["toy_qa (0 shots), toy_a", "toy_qa (5 shots), toy_a", "other, toy_a"], plot
    (line,) = drawn("score_against_factor", tmp_path)[0].containers
    assert list(line[0].get_xdata()) == [4, 8]


def test_lines_of_cost_are_of_one_decoder_variant_and_number_of_shots(finished: Finished, tmp_path: Path) -> None:
    finished("a", {part(): [1.0], part(benchmark="toy_needle", shots=0): [1.0]})
    (first, _) = drawn("cost_against_length", tmp_path)
    assert labels(first) == ["arc ×4"]  # benchmarks stand along a line
    assert list(first.lines[0].get_xdata()) == [60.0, 300.0]
    finished("b", {part(decoder="toy_b"): [1.0], part(decoder="toy_b", shots=0): [1.0]}, conditions={"variant": "mean"})
    (first, _) = drawn("cost_against_length", tmp_path)
    assert labels(first) == ["arc ×4, toy_a, 5 shots", "arc ×4, toy_a", "mean, toy_b, 5 shots", "mean, toy_b, 0 shots"]


def pairs(finished: Finished, name: str, scores: dict[tuple[int, int], float], **more: str) -> None:
    for (first, second), score in scores.items():
        told = {"ablation": name, "variant": f"{first}_{second}", "pretrain_factor": first, "finetune_factor": second}
        finished(f"{name}/{first}_{second}", {part(): [score]}, conditions=told, **more)


def test_pairs_of_several_ablations_have_panels_of_their_own(finished: Finished, tmp_path: Path) -> None:
    pairs(finished, "one", {(4, 4): 10.0, (8, 4): 20.0})
    pairs(finished, "two", {(4, 4): 30.0, (8, 4): 40.0})
    found = drawn("factor_pairs", tmp_path)
    assert [axis.get_title() for axis in found] == ["one/toy_qa, toy_a: EM %", "two/toy_qa, toy_a: EM %"]
    assert [[text.get_text() for text in axis.texts] for axis in found] == [["10.0", "20.0"], ["30.0", "40.0"]]
    assert drawn("factor_pairs", tmp_path / "one")[0].get_title() == "toy_qa, toy_a: EM %"


def test_texts_of_pairs_stand_out_from_their_cells(finished: Finished, tmp_path: Path) -> None:
    """The brightest cell is that of the best pair: the highest score, or the lowest loss."""
    pairs(finished, "scores", {(4, 4): 10.0, (8, 4): 90.0})
    pairs(finished, "losses", {(4, 4): 1.0, (8, 4): 3.0}, metric="loss")
    for name, colours in (("scores", ["white", "black"]), ("losses", ["black", "white"])):
        (axis,) = drawn("factor_pairs", tmp_path / name)
        assert [text.get_color() for text in axis.texts] == colours, name
        shades = [sum(axis.images[0].to_rgba(float(text.get_text()))[:3]) for text in axis.texts]
        assert (shades[0] < shades[1]) == (name == "scores")


def test_variants_of_several_ablations_are_told_apart(finished: Finished, tmp_path: Path) -> None:
    for ablation in ("truncation", "pretraining_steps"):
        for variant, each in (("none", part()), ("reference", part("open_book", None))):
            told = {"ablation": ablation, "variant": variant}
            finished(f"{ablation}/{variant}", {each: [50.0]}, conditions=told)
    (axis,) = drawn("variants", tmp_path)
    assert [text.get_text() for text in axis.get_yticklabels()] == ["pretraining_steps/none", "truncation/none"]
    assert labels(axis) == ["pretraining_steps/open_book", "truncation/open_book"]
