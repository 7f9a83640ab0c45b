"""Scores: nothing is overwritten, means are those of the paper, systems that change the decoder are marked."""

from __future__ import annotations

from pathlib import Path

from arc_encoder.evaluation.reporting.reading.material import Material
from arc_encoder.evaluation.reporting.reading.published import FLORES
from arc_encoder.evaluation.reporting.tables.score_tables import score_table
from tests.evaluation.reporting.conftest import Finished, part

DECODER = "llama_3.1_8b"
QUESTIONS = ("nq_open", "trivia_qa", "hotpot_qa", "squad")


def cells(folder: Path) -> dict[str, dict[str, str]]:
    """First cell of a row → its cells by title."""
    table = score_table(Material.of([folder]).figures)
    return {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}


def the_papers(finished: Finished, name: str, *, more: tuple[str, ...] = ()) -> Path:
    """What the paper averages, and `more`: 40 for questions, 10 to 40 for the directions of FLORES, 20 for summaries."""

    def asked(names: tuple[str, ...], scores: list[float]) -> dict[object, list[float]]:
        return {part(benchmark=each, decoder=DECODER): [score] for each, score in zip(names, scores, strict=True)}

    names = (*QUESTIONS, *more)
    finished(f"{name}/questions", asked(names, [40.0] * len(names)))
    finished(
        f"{name}/flores",
        asked(FLORES, [10.0, 20.0, 30.0, 40.0]),
        metric="bleu",
        details=lambda i: {"accepted": ["a b"]},
    )
    return finished(f"{name}/summaries", asked(("cnn_dailymail",), [20.0]), metric="rouge_l").parent


def test_directions_of_flores_are_one_benchmark_of_the_average(finished: Finished) -> None:
    (line,) = cells(the_papers(finished, "paper")).values()
    flores = sum(float(line[f"{name}, BLEU %"].split()[0]) for name in FLORES) / 4
    assert line["flores, mean of four directions"] == f"{flores:.1f} (paper 33.7)"
    assert line["average"] == f"{(4 * 40 + flores + 20) / 6:.1f} (paper 48.0)"
    (line,) = cells(the_papers(finished, "more", more=("drop",))).values()
    assert line["average"] == f"{(5 * 40 + flores + 20) / 7:.1f}"  # not the paper's set


def test_a_line_that_lacks_a_benchmark_has_no_average(finished: Finished, tmp_path: Path) -> None:
    finished("a", {part(): [50.0], part(benchmark="other"): [100.0], part("open_book", None): [100.0]})
    lines = cells(tmp_path)
    assert (lines["arc ×4"]["average"], lines["open_book"]["average"]) == ("75.0", "")


def test_several_numbers_of_shots_have_columns_and_no_average(finished: Finished, tmp_path: Path) -> None:
    finished("a", {part(shots=0): [50.0], part(shots=5): [100.0], part(benchmark="other"): [100.0]})
    (line,) = cells(tmp_path).values()
    assert line["toy_qa (0 shots), EM %"].startswith("50.0")
    assert line["toy_qa (5 shots), EM %"].startswith("100.0")
    assert "average" not in line


def test_systems_that_change_the_decoder_are_marked(finished: Finished, tmp_path: Path) -> None:
    finished("arc", {part(): [50.0]})
    finished("pisco", {part("pisco", None): [50.0]}, modified=True)
    assert list(cells(tmp_path)) == ["arc ×4", "pisco (decoder modified)"]


def test_variants_of_several_ablations_have_lines_of_their_own(finished: Finished, tmp_path: Path) -> None:
    for ablation, score in (("truncation", 100.0), ("pretraining_steps", 0.0)):
        finished(ablation, {part(): [score]}, conditions={"ablation": ablation, "variant": "none"})
    lines = cells(tmp_path)
    assert lines["truncation/none"]["toy_qa, EM %"].startswith("100.0")
    assert lines["pretraining_steps/none"]["toy_qa, EM %"].startswith("0.0")


def test_a_line_with_fewer_runs_of_a_benchmark_says_so_and_has_no_average(finished: Finished, tmp_path: Path) -> None:
    finished("one", {part(): [50.0], part(benchmark="other"): [100.0]}, conditions={"variant": "a", "seed": 0})
    finished("two", {part(): [70.0]}, conditions={"variant": "a", "seed": 1})
    (line,) = cells(tmp_path).values()
    assert (line["runs"], line["average"]) == ("1 to 2", "")
    assert "Not every figure is over the same number of runs" in score_table(Material.of([tmp_path]).figures).note


def test_positions_are_those_of_the_benchmark_that_the_title_names(finished: Finished, tmp_path: Path) -> None:
    finished("a", {part(): [50.0], part(benchmark="other"): [100.0]})
    finished("b", {part("open_book", None, benchmark="other"): [100.0]})
    lines = cells(tmp_path)
    assert lines["arc ×4"]["positions for documents (toy_qa)"] == "75.0"
    assert lines["open_book"]["positions for documents (toy_qa)"] == ""


def test_the_papers_figures_beside_another_protocol_and_at_its_own_scale(finished: Finished) -> None:
    def note(name: str, protocol: str, scale: str) -> str:
        conditions = {"ablation": "causal", "variant": "causal", "scale": scale}
        folder = finished(name, {part(protocol=protocol): [41.0]}, conditions=conditions)
        return score_table(Material.of([folder]).figures).note

    assert "another model and other data" in note("toy", "strict", "toy")
    assert "those of the protocol paper" in note("toy_again", "strict", "toy")
    there = note("there", "paper", "paper")
    assert "in front of Mistral 7B, average score." in there
    assert "another model" not in there
    assert "protocol=paper" not in there


def test_the_default_has_the_papers_figure_too(finished: Finished, tmp_path: Path) -> None:
    for variant in ("bidirectional", "causal"):
        finished(variant, {part(): [50.0]}, conditions={"ablation": "causal", "variant": variant})
    lines = cells(tmp_path)
    assert [lines[name]["paper, average"] for name in ("bidirectional", "causal")] == ["41.6", "41.3"]
