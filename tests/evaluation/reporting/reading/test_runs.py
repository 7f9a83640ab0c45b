"""What can be read and put side by side, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from arc_encoder.core.errors import DataError
from arc_encoder.evaluation.reporting.reading.runs import read_runs
from arc_encoder.evaluation.reporting.reading.summary import main_metrics, summarise
from tests.evaluation.reporting.conftest import Finished, part


def test_runs_are_found_below_a_folder_and_read_once(finished: Finished, tmp_path: Path) -> None:
    first = finished("a/seed_0", {part(): [100.0, 0.0]}, conditions={"variant": "mean", "seed": 0})
    finished("b", {part("open_book", None): [100.0]})
    runs = read_runs([tmp_path, first, first / "results.json"])
    assert [run.folder.name for run in runs] == ["seed_0", "b"]
    assert runs[0].variant == "mean"
    assert [row.value for row in runs[0].rows] == [50.0]
    assert runs[0].costs[0].document_positions == 75


def test_what_is_no_finished_run_is_refused(finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere is not there; give folders of finished evaluations"):
        read_runs([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no results\.json"):
        read_runs([tmp_path / "empty"])
    half = finished("half", {part(): [1.0]}, status="running")
    with pytest.raises(DataError, match=r"says 'running': .* resume it"):
        read_runs([half])
    broken = finished("broken", {part(): [1.0]})
    for text in ("{", "[]", '{"rows": [{"system": "arc"}]}'):
        (broken / "results.json").write_text(text)
        with pytest.raises(DataError, match="is no results file of this project"):
            read_runs([broken])


@pytest.mark.parametrize("other", [{"version": 2}, {"protocol": "paper"}])
def test_versions_and_protocols_are_not_mixed(finished: Finished, tmp_path: Path, other: dict[str, str]) -> None:
    finished("one", {part(): [100.0]})
    finished("two", {part(**other): [100.0]})
    with pytest.raises(DataError, match=r"benchmark toy_qa was asked in different ways.*one.*two"):
        read_runs([tmp_path])
    if "protocol" in other:
        assert [run.folder.name for run in read_runs([tmp_path], protocol="paper")] == ["two"]
        with pytest.raises(DataError, match="no figure of protocol=other"):
            read_runs([tmp_path], protocol="other")


def test_protocols_are_not_mixed_across_benchmarks_either(finished: Finished, tmp_path: Path) -> None:
    finished("one", {part(): [100.0], part(benchmark="toy_continuation", shots=None): [1.0]}, metric="loss")
    paper = finished("two", {part(benchmark="squad", protocol="paper"): [100.0]})
    message = r"figures of several protocols .*strict asked toy_qa in .*one; paper asked squad in .*two"
    with pytest.raises(DataError, match=message):
        read_runs([tmp_path])
    assert len(read_runs([tmp_path], protocol="strict")) == 1
    found = read_runs([tmp_path], protocol="paper")  # a loss on what follows belongs to both
    assert {row.benchmark for run in found for row in run.rows} == {"squad", "toy_continuation"}
    finished("one", {part(benchmark="toy_continuation", shots=None): [1.0]}, metric="loss")
    assert len(read_runs([tmp_path])) == 2
    assert paper.is_dir()


def test_files_are_not_mixed(finished: Finished, tmp_path: Path) -> None:
    for name, file in (("one", "dev.jsonl"), ("two", "mine.jsonl"), ("three", "")):
        results = finished(name, {part("open_book", None): [1.0]}, conditions={"variant": name}) / "results.json"
        content = json.loads(results.read_text())
        content["rows"] = [{**row, "asked_from": file} for row in content["rows"]]
        results.write_text(json.dumps(content))
    with pytest.raises(
        DataError, match=r"toy_qa was asked from different files.*dev.jsonl in .*one; mine.jsonl in .*two"
    ):
        read_runs([tmp_path])
    assert len(read_runs([tmp_path / "one", tmp_path / "three"])) == 2  # an older one does not say


@pytest.mark.parametrize(
    ("key", "value"), [("value", "high"), ("value", None), ("examples", 1.5), ("system", 3), ("pooling_factor", True)]
)
def test_figures_of_other_kinds_are_named(finished: Finished, key: str, value: Any) -> None:
    folder = finished("odd", {part(): [100.0]})
    content = json.loads((folder / "results.json").read_text())
    content["rows"][0][key] = value
    (folder / "results.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"is no results file .*{key} is "):
        read_runs([folder])
    content["rows"][0] = content["rows"][0] | {key: "x"}
    (folder / "results.json").write_text(json.dumps({**content, "rows": [], "conditions": ["a"]}))
    with pytest.raises(DataError, match="is no results file"):
        read_runs([folder])


def test_other_benchmarks_may_have_other_versions(finished: Finished, tmp_path: Path) -> None:
    finished("one", {part(): [100.0]})
    finished("two", {part(benchmark="toy_summary", version=2): [100.0]})
    assert len(read_runs([tmp_path])) == 2


def test_a_figure_without_a_key_is_named(finished: Finished) -> None:
    folder = finished("old", {part(): [100.0]})
    content = json.loads((folder / "results.json").read_text())
    del content["costs"][0]["stored_bytes"]
    (folder / "results.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="stored_bytes"):
        read_runs([folder])


def test_seeds_are_put_together(finished: Finished, tmp_path: Path) -> None:
    for seed, score in enumerate([80.0, 90.0, 100.0]):
        finished(f"mean_{seed}", {part(): [score]}, conditions={"variant": "mean", "seed": seed})
    finished("last_0", {part(): [50.0, 100.0]}, conditions={"variant": "last", "seed": 0})
    figures = {figure.name: figure for figure in summarise(read_runs([tmp_path]))}
    mean, last = figures["mean"], figures["last"]
    assert (mean.value, mean.seeds, mean.text) == (90.0, 3, "90.0 ± 10.0")
    assert sorted(mean.values) == [80.0, 90.0, 100.0]
    assert mean.stored_bytes == 7500.0
    assert last.seeds == 1
    assert last.text == "75.0 [50.0, 100.0]"
    assert main_metrics(figures.values()) == {"toy_qa": "exact_match"}


def test_results_without_a_figure_are_refused(finished: Finished) -> None:
    folder = finished("none", {part(): [1.0]}, details=lambda i: {"weights": {"exact_match": 0}})
    with pytest.raises(DataError, match=r"no figure in .*none; give folders"):
        read_runs([folder])


@pytest.mark.parametrize("conditions", [{}, {"variant": "mean", "seed": 3}])
def test_the_same_seed_twice_is_no_second_seed(
    finished: Finished, tmp_path: Path, conditions: dict[str, object]
) -> None:
    finished("a", {part(): [100.0]}, conditions=conditions)
    finished("b", {part(): [0.0]}, conditions=conditions)
    with pytest.raises(DataError) as raised:
        summarise(read_runs([tmp_path]))
    message = str(raised.value)
    assert f"{tmp_path}/a and {tmp_path}/b both have arc ×4 on toy_qa with the same seed" in message
    assert "conditions={variant: <a name>}, or report one of the folders" in message


def test_what_conditions_tell_apart_is_not_refused(finished: Finished, tmp_path: Path) -> None:
    for scale, score in (("toy", 100.0), ("toy_b", 0.0)):
        finished(scale, {part(): [score]}, conditions={"ablation": "a", "variant": "v", "scale": scale, "seed": 0})
    figures = {figure.name: figure.value for figure in summarise(read_runs([tmp_path]))}
    assert figures == {"scale=toy/v": 100.0, "scale=toy_b/v": 0.0}


def test_seeds_of_the_choice_of_examples_are_put_together(finished: Finished) -> None:
    folder = finished("a", {part(seed=seed): [score] for seed, score in enumerate([80.0, 90.0, 100.0])})
    (figure,) = summarise(read_runs([folder]))
    assert (figure.value, figure.seeds) == (90.0, 3)


def test_a_variant_at_two_factors_is_two_figures_of_two_names(finished: Finished, tmp_path: Path) -> None:
    finished("mean", {part(): [80.0], part(factor=8): [60.0]}, conditions={"variant": "mean"})
    finished("last", {part(): [70.0]}, conditions={"variant": "last"})
    figures = {figure.name: figure.value for figure in summarise(read_runs([tmp_path]))}
    assert figures == {"mean ×4": 80.0, "mean ×8": 60.0, "last": 70.0}


def test_variants_of_several_ablations_carry_their_names(finished: Finished, tmp_path: Path) -> None:
    for ablation, score in (("truncation", 100.0), ("pretraining_steps", 0.0)):
        for variant, each in (("none", part()), ("reference", part("open_book", None))):
            told = {"ablation": ablation, "variant": variant}
            finished(f"{ablation}/{variant}", {each: [score]}, conditions=told)
    figures = {figure.name: figure.value for figure in summarise(read_runs([tmp_path]))}
    assert figures == {
        "truncation/none": 100.0,
        "truncation/open_book": 100.0,
        "pretraining_steps/none": 0.0,
        "pretraining_steps/open_book": 0.0,
    }
    alone = {figure.name for figure in summarise(read_runs([tmp_path / "truncation"]))}
    assert alone == {"none", "open_book"}


def test_runs_of_other_numbers_of_questions_are_not_averaged(finished: Finished, tmp_path: Path) -> None:
    for seed, count in ((0, 4), (1, 2)):
        finished(f"seed_{seed}", {part(): [100.0] * count}, conditions={"variant": "mean", "seed": seed})
    with pytest.raises(DataError, match=r"different numbers of examples of toy_qa.*2 in .*seed_1, 4 in .*seed_0"):
        summarise(read_runs([tmp_path]))


def test_results_of_an_older_version_can_be_read(finished: Finished) -> None:
    file = finished("old", {part(): [100.0]}) / "results.json"
    content = json.loads(file.read_text())
    for row in content["rows"]:
        del row["decoder_modified"]
    file.write_text(json.dumps(content))
    (run,) = read_runs([file])
    assert not run.rows[0].decoder_modified
