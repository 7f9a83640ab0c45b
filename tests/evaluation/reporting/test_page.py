"""Reports: the right figures in every form, plots where there is something to show, one file that needs no other."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from arc_encoder.core.errors import DataError
from arc_encoder.evaluation.reporting.figures import PLOTS
from arc_encoder.evaluation.reporting.figures.curves import curves_of, trainings
from arc_encoder.evaluation.reporting.page import write_report
from arc_encoder.evaluation.reporting.reading.material import Material
from arc_encoder.evaluation.reporting.reading.published import published, published_score, published_variant
from arc_encoder.evaluation.reporting.tables.score_tables import score_table
from arc_encoder.evaluation.reporting.tables.table_files import Table, latex_text
from tests.evaluation.reporting.conftest import Finished, part


@pytest.fixture
def study(finished: Finished, tmp_path: Path) -> Path:
    """Two variants with two seeds, and what needs no training."""
    for seed in (0, 1):
        for pretrain, scores in ((4, [100.0, 100.0, 0.0]), (8, [100.0, 0.0, 0.0])):
            conditions = {
                "ablation": "pooling_factor_pairs",
                "variant": f"from_{pretrain}_to_4",
                "pretrain_factor": pretrain,
                "finetune_factor": 4,
                "seed": seed,
            }
            finished(f"from_{pretrain}/seed_{seed}", {part(): scores}, conditions=conditions)
    reference = {"ablation": "pooling_factor_pairs", "variant": "reference"}
    finished("reference", {part("open_book", None): [100.0] * 3}, conditions=reference)
    return tmp_path


def test_the_report_of_an_ablation(study: Path, tmp_path: Path) -> None:
    written = write_report(Material.of([study]), tmp_path / "report", title="Pairs <1>")
    names = {file.name for file in written}
    assert {"report.html", "report.md", "scores.md", "scores.tex", "scores.csv", "costs.csv"} <= names
    assert {"variants.png", "variants.svg", "factor_pairs.png", "factor_pairs.svg"} <= names
    assert not {"needle.png", "learning_curves.png"} & names
    rows = list(csv.reader((tmp_path / "report/scores.csv").open()))
    table = {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
    assert table["from_4_to_4"]["toy_qa, EM %"] == "66.7 ± 0.0"
    assert table["from_8_to_4"]["toy_qa, EM %"] == "33.3 ± 0.0"
    assert table["open_book"]["runs"] == "1"
    page = (tmp_path / "report/report.html").read_text()
    assert "Pairs &lt;1&gt;" in page
    assert page.count("data:image/svg+xml;base64,") == len([name for name in names if name.endswith(".svg")])
    assert not re.search(r"(src|href)=['\"](?!data:)", page)  # nothing outside the file
    assert "toy_qa version 1, protocol strict, 5 shots" in page
    text = (tmp_path / "report/report.md").read_text()
    assert "![Variants](variants.png)" in text
    assert "5 runs:" in text


def test_the_same_runs_give_the_same_files(study: Path, tmp_path: Path) -> None:
    made = [write_report(Material.of([study]), tmp_path / name, title="t") for name in ("one", "two")]
    for first, second in zip(*made, strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name


def test_plots_need_something_to_show(finished: Finished, tmp_path: Path) -> None:
    finished("a", {part(): [100.0], part(factor=8): [0.0], part("open_book", None): [100.0]})
    finished("b", {part(benchmark="toy_needle", shots=0): [100.0, 0.0]}, details=lambda i: {"length": i, "depth": 0.5})
    drawn = {name for name, (_, draw) in PLOTS.items() if draw(Material.of([tmp_path])) is not None}
    assert drawn == {"score_against_factor", "score_against_bytes", "cost_against_length", "needle"}
    (tmp_path / "only").mkdir()
    alone = finished("only/c", {part(): [100.0]})
    assert [name for name, (_, draw) in PLOTS.items() if draw(Material.of([alone])) is not None] == []


def test_a_smaller_report_leaves_nothing_of_a_larger_one_in_its_folder(finished: Finished, tmp_path: Path) -> None:
    large = finished("a", {part(): [100.0], part(factor=8): [0.0]})
    small = finished("b", {part(): [100.0]})
    folder = tmp_path / "page"
    write_report(Material.of([large]), folder, title="t")
    assert (folder / "score_against_factor.png").is_file()
    (folder / "notes.md").write_text("mine")
    written = {file.name for file in write_report(Material.of([small]), folder, title="t")}
    assert {file.name for file in folder.iterdir()} == {*written, "notes.md"}


def test_learning_curves_come_from_the_trainings_files(finished: Finished, tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    finished("run/eval", {part(): [100.0]})
    with SummaryWriter(str(tmp_path / "run/tensorboard")) as writer:
        for step in range(40):
            writer.add_scalar("train/loss", 2.0 / (step + 1), step)
            writer.add_scalar("other", 1.0, step)
    assert trainings([tmp_path]) == [tmp_path / "run"]
    curves = curves_of(tmp_path / "run")
    assert list(curves) == ["train/loss"]
    assert curves["train/loss"][3] == (3, pytest.approx(0.5))
    assert PLOTS["learning_curves"][1](Material.of([tmp_path])) is not None


def test_a_sweep_of_trainings_needs_no_evaluation(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    for number, (pooling, loss) in enumerate((("mean", 1.0), ("last", 0.5))):
        run = tmp_path / "sweep" / str(number)
        with SummaryWriter(str(run / "tensorboard")) as writer:
            for step in range(20):
                writer.add_scalar("train/loss", loss + 1 / (step + 1), step)
            writer.add_scalar("val/loss", loss, 19)
        (run / "hydra").mkdir()
        (run / "hydra" / "overrides.yaml").write_text(f"- model/pooling={pooling}\n- threads=1\n")
    (run / "compressor").mkdir()
    material = Material.of_runs([tmp_path / "sweep"])
    names = {file.name for file in write_report(material, tmp_path / "report", title="Sweep")}
    assert {"trainings.md", "trainings.tex", "trainings.csv", "learning_curves.png"} <= names
    rows = list(csv.reader((tmp_path / "report/trainings.csv").open()))[1:]
    assert rows == [
        ["1", "model/pooling=last", "19", "0.550", "0.500", "", "", "yes"],
        ["0", "model/pooling=mean", "19", "1.050", "1.000", "", "", "no"],
    ]
    with pytest.raises(DataError, match=r"holds no results\.json"):
        Material.of_runs([tmp_path / "report"])


def test_the_papers_figures_stand_beside_ours(finished: Finished, tmp_path: Path) -> None:
    names = {"decoder": "llama_3.1_8b", "benchmark": "squad"}
    finished("a", {part(**names): [80.0], part(factor=8, **names): [60.0], part("open_book", None, **names): [70.0]})
    shown = score_table(Material.of([tmp_path]).figures).markdown()
    assert "80.0 [80.0, 80.0] (paper 74.0)" in shown
    assert "60.0 [60.0, 60.0] (paper 66.0)" in shown
    assert "70.0 [70.0, 70.0] (paper 72.2)" in shown
    assert "Pilchen et al., 2025" in shown
    other = finished("other/a", {part(): [80.0]})
    assert "paper" not in score_table(Material.of([other]).figures).markdown()
    conditions: dict[str, Any] = {"ablation": "causal", "variant": "causal", "seed": 0}
    ablated = finished("ablated/a", {part(): [80.0]}, conditions=conditions)
    figures = Material.of([ablated]).figures
    assert published_variant(figures[0]) == 41.3
    assert published_score(figures[0]) is None
    assert "another model and other data" in score_table(figures).markdown()


def test_published_averages_are_those_of_their_scores() -> None:
    """Guards against slips of the pen: the average of six scores is the one that the paper gives (rounded)."""
    checked = 0
    for entry in published()["main"]:
        scores = dict(entry["scores"])
        average = scores.pop("average", None)
        if average is not None and len(scores) == 6:
            assert sum(scores.values()) / 6 == pytest.approx(average, abs=0.11), entry
            checked += 1
    assert checked >= 6


def test_a_table_in_every_form() -> None:
    table = Table("t", "Scores & more", ["system", "EM %"], [["arc_x <4>", "1 ± 2"]], "50 %")
    assert r"arc\_x <4> & 1 $\pm$ 2 \\" in table.latex()
    assert r"\caption{Scores \& more. 50 \%}" in table.latex()
    assert table.csv() == "system,EM %\narc_x <4>,1 ± 2\n"
    assert "<td>arc_x &lt;4&gt;</td>" in table.html()
    assert r"\label{tab:" in table.latex()
    assert latex_text("1 − 2") == "1 $-$ 2"
    assert latex_text("a\\b{c}") == r"a\textbackslash{}b\{c\}"


def test_examples_are_counted_by_part_and_not_by_metric(finished: Finished, tmp_path: Path) -> None:
    finished("many", {part(): [50.0] * 5})
    finished(
        "few", {part("open_book", None): [50.0] * 3}, details=lambda i: {"weights": {"exact_match": float(i == 0)}}
    )
    report = write_report(Material.of([tmp_path]), tmp_path / "page", title="t")[1].read_text()
    assert "- toy_qa version 1, protocol strict, 5 shots, 1 to 5 examples" in report
