"""Lines, panels and cells of plots: what differs in decoder, variant, shots or ablation is not mixed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from arc_encoder.evaluation.reporting.figures import PLOTS
from arc_encoder.evaluation.reporting.reading.material import Material
from tests.evaluation.reporting.conftest import Finished, part


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


def test_lines_of_cost_are_of_one_benchmark_decoder_and_variant(finished: Finished, tmp_path: Path) -> None:
    finished("a", {part(): [1.0], part(benchmark="toy_needle", shots=0): [1.0]})
    results = finished("few", {part(shots=1): [1.0]}) / "results.json"
    results.write_text(results.read_text().replace('"document_tokens": 300.0', '"document_tokens": 100.0'))
    (first, _) = drawn("cost_against_length", tmp_path)
    assert set(labels(first)) == {"arc ×4"}
    assert [list(line.get_xdata()) for line in first.lines] == [[100.0, 300.0], [60.0]]  # numbers of shots are joined
    finished("b", {part(decoder="toy_b"): [1.0]}, conditions={"variant": "mean"})
    (first, _) = drawn("cost_against_length", tmp_path)
    assert list(dict.fromkeys(labels(first))) == ["arc ×4, toy_a", "mean, toy_b"]


def test_no_two_lines_look_alike_and_changed_decoders_are_marked(finished: Finished, tmp_path: Path) -> None:
    systems = [part(f"system_{number}", factor) for number in range(13) for factor in (4, 8)]
    finished("a", {each: [1.0] for each in systems})
    finished("b", {part("pisco", None): [1.0], part("pisco", None, benchmark="other"): [1.0]}, modified=True)
    for plot in ("score_against_bytes", "cost_against_length"):
        axis = drawn(plot, tmp_path)[0]
        lines = {line.get_label(): line for line in axis.lines if not str(line.get_label()).startswith("_")}
        lines |= {box.get_label(): box[0] for box in axis.containers}
        assert len({(line.get_color(), line.get_marker()) for line in lines.values()}) == len(lines) == 27, plot
        assert "pisco (decoder modified)" in lines, plot
    across = drawn("score_against_factor", tmp_path)[0]
    assert "pisco (decoder modified)" in labels(across)


def test_what_the_plots_of_scores_show(finished: Finished, tmp_path: Path) -> None:
    cells = {"llama": "llama_3.1_8b", "metric": "exact_match"}
    scores = {
        part(decoder=cells["llama"], benchmark="squad", factor=factor): [score]
        for factor, score in ((4, 70.0), (8, 60.0))
    }
    finished("a", {**scores, part("open_book", None, decoder=cells["llama"], benchmark="squad"): [80.0]})
    (axis,) = drawn("score_against_factor", tmp_path)
    lines = {box.get_label(): box[0] for box in axis.containers} | {line.get_label(): line for line in axis.lines}
    assert (list(lines["arc"].get_xdata()), list(lines["arc"].get_ydata())) == ([4, 8], [70.0, 60.0])
    assert list(lines["arc (paper)"].get_ydata()) == [74.0, 66.0]
    assert lines["arc (paper)"].get_linestyle() == ":"
    assert set(lines["open_book"].get_ydata()) == {80.0}
    (axis,) = drawn("score_against_bytes", tmp_path)
    points = {box.get_label(): (box[0].get_xdata()[0] * 1024, box[0].get_ydata()[0]) for box in axis.containers}
    assert points == {"arc ×4": (7500.0, 70.0), "arc ×8": (3700.0, 60.0), "open_book": (30000.0, 80.0)}


def test_recall_has_length_across_and_depth_down(finished: Finished, tmp_path: Path) -> None:
    places = [(100, 0.0), (100, 1.0), (200, 0.0), (200, 0.5)]
    scores = {part(benchmark="needle", shots=0): [100.0, 0.0, 50.0, 25.0]}
    finished("a", scores, details=lambda i: {"length": places[i][0], "depth": places[i][1]})
    (axis,) = drawn("needle", tmp_path)
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("length", "depth of the answer")
    assert [text.get_text() for text in axis.get_xticklabels()] == ["100", "200"]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["0 %", "50 %", "100 %"]
    shown = {text.get_position(): text.get_text() for text in axis.texts}
    assert shown == {(0, 0): "100", (0, 2): "0", (1, 0): "50", (1, 1): "25"}


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
