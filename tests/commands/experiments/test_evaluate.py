"""`arc-eval`: systems, benchmarks and factors from the command line to results.json."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import time
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file, save_file

from arc_encoder.commands.experiments import evaluate
from arc_encoder.config.paths import configs_folder
from arc_encoder.core.run_folder.sharing import share_run_folder
from arc_encoder.evaluation.evaluate import check_decoders
from arc_encoder.evaluation.runs import runner
from arc_encoder.evaluation.systems import arc as arc_system
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from tests.commands.conftest import Make
from tests.tiny_runs import BIN, Command

FIELDS = ["system", "pooling_factor", "benchmark", "metric", "value", "ci_low", "ci_high"]


@pytest.fixture
def run(make: Make) -> Command:
    return make(evaluate.main)


@pytest.fixture
def base(tiny_model: Path, tmp_path: Path) -> list[str]:
    """A few local questions, the tiny decoder."""
    records = [
        {"question": f"What is {i}?", "answers": [str(i)], "passages": [f"It is {i}.", "More."]} for i in range(6)
    ]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return [
        "benchmark=local",
        "benchmark.path=mine.jsonl",
        "benchmark.shots=1",
        "benchmark.max_new_tokens=2",
        "decoder=huggingface",
        f"decoders.huggingface.path={tiny_model}",
        "decoders.huggingface.dtype=float32",
        "paths.run=out",
        "threads=1",
        "device=cpu",
    ]


def test_a_compressor_with_a_pooling_of_ones_own(
    run: Command, base: list[str], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "compressor"
    shutil.copytree(trained, folder)
    config = json.loads((folder / "config.json").read_text())
    config["pooling"]["name"] = "ElsewherePooling"
    (folder / "config.json").write_text(json.dumps(config))
    (tmp_path / "elsewhere_pooling.py").write_text(
        "from arc_encoder.model.encoder.pooling import MeanPooling\n\n\nclass ElsewherePooling(MeanPooling):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    chosen = [*base, f"checkpoint={folder}", "system=arc"]
    assert "pooling 'ElsewherePooling' is unknown here" in run.fails(*chosen)
    assert "arc ×4" in run(*chosen, "imports=[elsewhere_pooling]")
    assert "imports=not_there: cannot be imported" in run.fails(*chosen, "imports=[not_there]")


def test_results_hold_a_row_for_each_system_factor_and_metric(
    run: Command, base: list[str], trained: Path, tmp_path: Path
) -> None:
    printed = run(*base, f"checkpoint={trained}", "system=[closed_book,open_book,truncate,arc]", "factors=[4,8]")
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    systems = {("closed_book", None), ("open_book", None), ("truncate", 4), ("truncate", 8), ("arc", 4), ("arc", 8)}
    assert {(row["system"], row["pooling_factor"]) for row in rows} == systems
    assert {row["metric"] for row in rows} == {"exact_match", "f1"}
    assert len(rows) == 12
    for row in rows:
        assert set(FIELDS) <= set(row)
        assert row["benchmark"] == "mine.jsonl"
        assert row["decoder"] == "huggingface"
        assert row["examples"] == 5
        assert row["ci_low"] <= row["value"] <= row["ci_high"]
    report = (tmp_path / "out" / "report.md").read_text()
    assert "arc ×8" in report
    assert report.removeprefix("# Results\n\n").strip() in printed
    assert len(list((tmp_path / "out" / "examples").iterdir())) == 6
    assert (tmp_path / "out" / "config.yaml").is_file()


SYSTEMS = sorted(file.stem for file in (configs_folder() / "system").glob("*.yaml") if file.stem != "llmlingua2")


def test_every_system_there_is(run: Command, base: list[str], trained: Path, tmp_path: Path) -> None:
    """A new system's YAML joins by itself; LLMLingua-2 needs its classifier: tests/evaluation/test_llmlingua2/py/"""
    own = [f"systems.{name}.checkpoint={trained}" for name in ("icae", "xrag", "pisco")]
    run(*base, *own, f"checkpoint={trained}", f"system=[{','.join(SYSTEMS)}]", "benchmark.limit=3")
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert {row["system"] for row in rows} == set(SYSTEMS)


def test_a_system_that_needs_an_arc_encoder_asks_for_one(run: Command, base: list[str]) -> None:
    errors = run.fails(*base, "system=[open_book,arc]")
    assert "system arc needs a trained ARC-Encoder: give checkpoint=<run>/compressor" in errors


def test_text_systems_need_none(run: Command, base: list[str], tmp_path: Path) -> None:
    run(*base, "system=open_book")
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert {row["pooling_factor"] for row in rows} == {None}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["system=[]"], "no system was given"),
        (["system=open_book", "benchmark.path=gone.jsonl"], "no file matches 'gone.jsonl'"),
        (["system=open_book", "benchmark.shots=6"], "there are only 6 questions to draw from"),
        (["system=open_book", "benchmark.limit=0"], "limit=0 must be at least 1, or null to ask all questions"),
        (["system=open_book", "benchmark.max_new_tokens=0"], "max_new_tokens=0 must be at least 1"),
        (["system=open_book", "benchmark.metrics=[em]"], "metric 'em' is unknown; choose from exact_match"),
        (["system=open_book", "batch_size=0"], "batch_size=0: expected a whole number from 1 on"),
        (["system=open_book", "factors=4"], "expected a list of whole numbers"),
        (["system=open_book", "factors=[0]"], "factors=0: expected a list of whole numbers from 1 on"),
        (["system=arc", "checkpoint=gone"], "no compressor could be loaded from 'gone'"),
        (
            ["system=truncate"],
            "system truncate needs a budget, from a trained ARC-Encoder or from pooling factors: give checkpoint=<run>/compressor, or factors=",
        ),
        (["system=icae"], "systems.icae.checkpoint: no value given; set it with systems.icae.checkpoint=…"),
        (["system=truncate", "systems.truncate.keep=middle"], "systems.truncate.keep='middle': Input should be 'head'"),
        (["system=open_book", "shots=[9]"], "there are only 6 questions to draw from"),
        (["system=open_book", "shots=0"], "shots='0 (no list)': expected a list of whole numbers from 0 on"),
        (["system=open_book", "shots=[one]"], "shots='one': expected a list of whole numbers from 0 on"),
        (["system=open_book", "seeds=3"], "seeds='3 (no list)': expected a list of whole numbers from 0 on"),
        (["system=open_book", "conditions=mine"], "conditions='mine': expected names and values, such as"),
        (["system=openbook"], "no such choice (did you mean 'open_book'?)"),
    ],
)
def test_mistakes_are_named(run: Command, base: list[str], given: list[str], words: str) -> None:
    assert words in run.fails(*base, *given)


def test_a_checkpoint_for_another_decoder_says_which_it_serves(run: Command, base: list[str], trained: Path) -> None:
    moved = [each.replace("decoders.huggingface.", "+decoders.mine.") for each in base if each != "decoder=huggingface"]
    given = [*moved, "decoder=[]", "+decoders.mine._target_=arc_encoder.model.decoder.load.load_decoder"]
    errors = run.fails(*given, "system=arc", f"checkpoint={trained}")
    assert "no projector for decoder 'mine'; it was made for: huggingface" in errors


def rows_in(tmp_path: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    return found


def test_several_benchmarks_shots_and_seeds(run: Command, base: list[str], tmp_path: Path) -> None:
    own = [each for each in base if not each.startswith(("benchmark", "decoder"))]
    run(
        *own,
        "benchmark.max_new_tokens=2",
        "decoder=toy_a",
        "system=open_book",
        "benchmark=[toy_qa,toy_summary]",
        "benchmark.limit=3",
        "shots=[0,1]",
        "seeds=[0,5]",
    )
    found = {(row["benchmark"], row["shots"], row["seed"]) for row in rows_in(tmp_path)}
    drawn = ((0, 0), (1, 0), (1, 5))  # without examples no seed changes anything
    assert found == {(name, k, s) for name in ("toy_qa", "toy_summary") for k, s in drawn}
    assert {row["examples"] for row in rows_in(tmp_path)} == {3}


def test_every_part_has_its_costs(run: Command, base: list[str], trained: Path, tmp_path: Path) -> None:
    printed = run(*base, f"checkpoint={trained}", "system=[closed_book,open_book,arc]", "factors=[4,8]")
    costs = {
        (cost["system"], cost["pooling_factor"]): cost
        for cost in json.loads((tmp_path / "out" / "results.json").read_text())["costs"]
    }
    closed, text, four, eight = (
        costs[key] for key in (("closed_book", None), ("open_book", None), ("arc", 4), ("arc", 8))
    )
    assert closed["ratio"] is None
    assert text["ratio"] == 1.0
    assert 2.5 < four["ratio"] < 4 < eight["ratio"] < 8  # task tokens counted
    assert closed["encoder_gflops"] == text["encoder_gflops"] == 0 < four["encoder_gflops"]
    assert closed["decoder_gflops"] < eight["decoder_gflops"] < four["decoder_gflops"] < text["decoder_gflops"]
    assert all(cost["first_token_ms"] > 0 and cost["peak_memory_gib"] > 0.1 for cost in costs.values())
    assert "first token ms" in printed
    run(*base, "system=open_book", "costs=false", "paths.run=other")
    assert json.loads((tmp_path / "other" / "results.json").read_text())["costs"] == []


def test_what_is_finished_is_not_done_again(
    run: Command, base: list[str], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, int | None]] = []
    limit = [2]
    original = runner._run

    def watched(each: runner.PendingPart, *rest: Any) -> object:
        if len(done) == limit[0]:
            raise RuntimeError("the machine went down")
        done.append((each.part.system, each.part.pooling_factor))
        return original(each, *rest)

    monkeypatch.setattr(runner, "_run", watched)
    words = [*base, f"checkpoint={trained}", "system=[open_book,arc]", "factors=[4,8]"]
    assert run.outcome(*words)[0] == 1
    results = tmp_path / "out" / "results.json"
    interrupted = json.loads(results.read_text())
    assert interrupted["status"] == "running"
    assert len(interrupted["rows"]) == 2 * 2
    limit[0] = 100
    run("--resume", "out")
    assert done == [("open_book", None), ("arc", 4), ("arc", 8)]
    found = json.loads(results.read_text())
    assert found["status"] == "finished"
    assert found["rows"][:4] == interrupted["rows"]
    assert len(found["rows"]) == 3 * 2
    done.clear()
    run("--resume", "out", "benchmark.limit=2")  # other questions than before: everything is done again
    assert len(done) == 3
    assert {row["examples"] for row in rows_in(tmp_path)} == {2}


def test_mixed_precision_is_other_settings(run: Command, base: list[str], trained: Path, tmp_path: Path) -> None:
    words = [*base, f"checkpoint={trained}", "system=arc", "benchmark.metrics=[answer_token_loss]", "costs=false"]
    losses = []
    for precision in ("32-true", "bf16-mixed"):
        run(*words, f"precision={precision}")
        losses.append(rows_in(tmp_path)[0]["value"])
    assert losses[0] != losses[1] == pytest.approx(losses[0], rel=0.05)
    assert "precision='bf16' is unknown" in run.fails(*words, "precision=bf16")


def test_files_that_changed_are_asked_anew_and_others_are_not(
    run: Command, base: list[str], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    original = runner._run

    def watched(each: runner.PendingPart, *rest: Any) -> object:
        done.append(each.part.system)
        return original(each, *rest)

    monkeypatch.setattr(runner, "_run", watched)
    copies = [shutil.copytree(trained, tmp_path / name) for name in ("one", "two")]
    words = [*base, "system=[open_book,arc]", "costs=false"]
    run(*words, f"checkpoint={copies[0]}")
    run(*words, f"checkpoint={copies[1]}")  # the text alone does not depend on it
    assert done == ["open_book", "arc", "arc"]
    os.utime(copies[1] / "model.safetensors", ns=(1, 1))
    run(*words, f"checkpoint={copies[1]}")
    assert done[3:] == ["arc"]
    questions = tmp_path / "mine.jsonl"
    questions.write_text(questions.read_text().replace("What is 1?", "What is one?"))
    run(*words, f"checkpoint={copies[1]}")
    assert done[4:] == ["open_book", "arc"]


def test_a_system_that_does_not_fit_is_told_before_anything_is_asked(
    run: Command, base: list[str], trained: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    text = (folder / "config.json").read_text().replace("huggingface", "elsewhere")
    assert "huggingface" in json.dumps(config)
    (folder / "config.json").write_text(text)
    weights = load_file(folder / "model.safetensors")
    save_file({k.replace("huggingface", "elsewhere"): v for k, v in weights.items()}, folder / "model.safetensors")
    words = [*base, "system=[open_book,icae]", f"systems.icae.checkpoint={folder}"]
    assert "no projector for decoder 'huggingface'; it was made for: elsewhere" in run.fails(*words)
    assert not (tmp_path / "out" / "parts").exists()


def test_several_processes_need_a_folder(run: Command, base: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    words = [each for each in base if not each.startswith("paths.run")]
    assert "several processes share the work in one folder, but none was named" in run.fails(*words, "system=open_book")


def test_processes_share_the_parts(run: Command, base: list[str], trained: Path, tmp_path: Path) -> None:
    words = [*base, f"checkpoint={trained}", "system=[open_book,closed_book,arc]"]
    command = [str(BIN / "arc-eval"), *words]
    both = [
        subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "RANK": rank}, stderr=subprocess.PIPE, text=True)
        for rank in ("0", "1")
    ]
    errors = [process.communicate(timeout=240)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["status"] == "finished"
    assert {row["system"] for row in found["rows"]} == {"open_book", "closed_book", "arc"}


def test_other_settings_are_refused_where_an_evaluation_runs(run: Command, base: list[str], tmp_path: Path) -> None:
    run(*base, "system=open_book")
    out = tmp_path / "out"
    settings = yaml.safe_load((out / "config.yaml").read_text())
    assert "- system=open_book\n" in (out / "hydra" / "overrides.yaml").read_text()
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    with share_run_folder(out, settings, lambda: None):
        errors = run.fails(*base, "system=closed_book", "hydra.run.dir=out")
        assert "another process is at work in out with other settings (systems.closed_book" in errors
        assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == before
        run(*base, "system=open_book", "batch_size=3")  # such may share the work


OWN_BENCHMARK = '''
"""A benchmark of your own, with few settings."""

from arc_encoder.evaluation.benchmarks.base import Benchmark, ExampleResult


class Countdown(Benchmark):
    def __init__(self, *, name="countdown", limit=3, version=1):
        self.name, self.limit, self.version = name, limit, version

    def run(self, system, session):
        return [ExampleResult(str(i), {"number": float(i)}, 0) for i in range(self.limit)]
'''


@pytest.mark.parametrize("first_line", ["", "# @package benchmarks.countdown\n"])
def test_a_benchmark_of_ones_own_kind(
    run: Command, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_line: str
) -> None:
    (tmp_path / "mine" / "benchmark").mkdir(parents=True)
    (tmp_path / "mine" / "benchmark" / "countdown.yaml").write_text(
        f"{first_line}_target_: countdown_kind.Countdown\nname: countdown\nlimit: 5\nversion: 1\n"
    )
    (tmp_path / "countdown_kind.py").write_text(OWN_BENCHMARK)
    monkeypatch.syspath_prepend(tmp_path)
    others = [word for word in base if not word.startswith("benchmark")]
    run("--config-dir", "mine", *others, "system=open_book", "benchmark=countdown", "benchmark.limit=4")
    assert [row["value"] for row in rows_in(tmp_path)] == [1.5]
    beside = (
        "--config-dir",
        "mine",
        *others,
        "system=open_book",
        "benchmark=[countdown,toy_continuation]",
        "benchmark.limit=2",
    )
    if first_line:
        run(*beside)
        assert {row["benchmark"] for row in rows_in(tmp_path)} == {"countdown", "toy_continuation"}
    else:
        assert (
            "countdown does not say where it belongs, and so it can only be asked alone, not with toy_continuation"
            in run.fails(*beside)
        )


def test_parts_without_costs_are_made_again_where_costs_are_asked_for(
    run: Command, base: list[str], tmp_path: Path
) -> None:
    results = tmp_path / "out" / "results.json"
    run(*base, "system=open_book", "costs=false")
    assert json.loads(results.read_text())["costs"] == []
    run("--resume", "out", "costs=true")
    assert len(json.loads(results.read_text())["costs"]) == 1


def test_a_second_decoder_that_does_not_fit_is_told_before_the_first_is_asked(
    run: Command, base: list[str], trained: Path, tmp_path: Path
) -> None:
    words = [word for word in base if word != "decoder=huggingface"]
    told = run.fails(*words, "decoder=[huggingface,toy_a]", f"checkpoint={trained}", "system=[open_book,arc]")
    assert "no projector for decoder 'toy_a'; it was made for: huggingface" in told
    assert not (tmp_path / "out" / "parts").exists()


def test_every_compressor_is_held_against_every_decoder() -> None:
    asked: list[tuple[str, str]] = []

    def system(name: str) -> Any:
        compressor = SimpleNamespace(head=lambda decoder: asked.append((name, decoder)))
        opened = SimpleNamespace(measure=compressor)
        return SimpleNamespace(
            needs_compressor=True, open=lambda session: opened, close=lambda: asked.append((name, ""))
        )

    plain: Any = SimpleNamespace(measure=None)
    check_decoders({"one": system("one"), "two": system("two")}, plain, ["a", "b"])
    assert asked == [("one", "a"), ("one", "b"), ("one", ""), ("two", "a"), ("two", "b"), ("two", "")]


def test_weights_that_change_while_an_evaluation_runs_are_not_those_of_its_parts(
    run: Command, base: list[str], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(trained, tmp_path / "mine")
    done: list[str] = []
    original = runner._run

    def watched(each: runner.PendingPart, *rest: Any) -> object:
        done.append(each.part.slug)
        os.utime(folder / "model.safetensors", ns=(1, 1))
        return original(each, *rest)

    monkeypatch.setattr(runner, "_run", watched)
    words = [*base, f"checkpoint={folder}", "system=arc", "factors=[4,8]", "costs=false"]
    run(*words)
    run(*words)  # the second part was made with the old weights, too
    assert len(done) == 4


def test_a_file_with_brackets_in_its_name(run: Command, base: list[str], tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").rename(tmp_path / "my[v2].jsonl")
    words = [word for word in base if not word.startswith("benchmark.path")]
    run(*words, "system=open_book", "benchmark.path='my[v2].jsonl'", "costs=false")
    first = json.loads(next((tmp_path / "out" / "parts").glob("*.json")).read_text())["fingerprint"]
    os.utime(tmp_path / "my[v2].jsonl", ns=(1, 1))
    run(*words, "system=open_book", "benchmark.path='my[v2].jsonl'", "costs=false")
    assert json.loads(next((tmp_path / "out" / "parts").glob("*.json")).read_text())["fingerprint"] != first


def test_earlier_results_do_not_stand_for_those_of_a_new_start(
    run: Command, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "out" / "results.json"
    run(*base, "system=open_book")
    before = json.loads(results.read_text())

    def stop(*given: object) -> None:
        raise RuntimeError("the machine went down")

    monkeypatch.setattr(runner, "_run", stop)
    assert run.outcome(*base, "system=open_book", "benchmark.limit=2")[0] == 1
    assert json.loads(results.read_text()) == {**before, "status": "running"}
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    results.write_text("corrupted")
    run(*base, "system=open_book")
    assert json.loads(results.read_text())["status"] == "finished"


@pytest.mark.parametrize(("shots", "asked"), [("[0,2]", {4}), ("[0]", {6}), ("[2]", {4})])
def test_all_numbers_of_shots_ask_the_same_questions(
    run: Command, base: list[str], tmp_path: Path, shots: str, asked: set[int]
) -> None:
    run(*base, "system=open_book", f"shots={shots}", "costs=false")
    assert {row["examples"] for row in rows_in(tmp_path)} == asked


def test_results_say_running_before_the_first_part_is_finished(
    run: Command, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*given: object) -> None:
        raise RuntimeError("the machine went down")

    monkeypatch.setattr(runner, "_run", stop)
    assert run.outcome(*base, "system=open_book")[0] == 1
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (found["status"], found["rows"]) == ("running", [])


def test_examples_that_were_deleted_are_made_again(run: Command, base: list[str], tmp_path: Path) -> None:
    run(*base, "system=[open_book,closed_book]", "costs=false")
    files = sorted((tmp_path / "out" / "examples").iterdir())
    before = files[0].read_bytes()
    files[0].unlink()
    run("--resume", "out")
    assert files[0].read_bytes() == before


def test_rows_say_which_file_was_asked(run: Command, base: list[str], tmp_path: Path) -> None:
    run(*base, "system=closed_book", "costs=false")
    assert {row["asked_from"] for row in rows_in(tmp_path)} == {"mine.jsonl"}


@pytest.mark.slow
def test_an_evaluation_that_is_killed_goes_on_with_its_finished_parts(
    base: list[str], trained: Path, tmp_path: Path
) -> None:
    words = [*base, f"checkpoint={trained}", "system=[open_book,arc,truncate]", "factors=[2,3,4,6,8]", "costs=false"]

    def start(*given: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([BIN / "arc-eval", *given], cwd=tmp_path, stderr=subprocess.DEVNULL)

    process = start(*words)
    parts = tmp_path / "out" / "parts"
    while process.poll() is None and len(list(parts.glob("*.json"))) < 3:
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    before = {file: file.stat().st_mtime_ns for file in parts.glob("*.json")}
    assert 3 <= len(before) < 11
    assert json.loads((tmp_path / "out" / "results.json").read_text())["status"] == "running"
    assert start("--resume", "out").wait() == 0
    assert {file: file.stat().st_mtime_ns for file in before} == before
    found = rows_in(tmp_path)
    assert start(*[word.replace("paths.run=out", "paths.run=whole") for word in words]).wait() == 0
    assert found == json.loads((tmp_path / "whole" / "results.json").read_text())["rows"]
    assert len(list(parts.glob("*.json"))) == 11


def test_broken_lines_are_left_out_where_that_is_asked(run: Command, base: list[str], tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    lines = ['{"question": ["a", "b"], "answers": ["a"], "passages": ["p"]}', '{"question": "q", "passages": ["p"]}']
    file.write_text("\ufeff" + file.read_text() + "\n".join(lines) + "\n")
    words = [*base, "system=closed_book", "costs=false"]
    told = run.fails(*words)
    assert "mine.jsonl:7: field 'question' holds list, expected text" in told
    assert "leave such lines out (on_error=skip of this source or benchmark)" in told
    with pytest.warns(UserWarning, match=r"2 bad lines were skipped, first: mine.jsonl:7: .*mine.jsonl:8: no text"):
        run(*words, "benchmark.on_error=skip")
    assert {row["examples"] for row in rows_in(tmp_path)} == {5}  # and the line behind the mark of the encoding is read


def test_documents_of_examples_are_encoded_once(
    run: Command, base: list[str], trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    original = ArcEncoderModel.encode

    def counted(self: ArcEncoderModel, ids: Any, lengths: Any, *rest: Any, **more: Any) -> Any:
        encoded.append(len(ids))
        return original(self, ids, lengths, *rest, **more)

    monkeypatch.setattr(ArcEncoderModel, "encode", counted)
    words = [*base, f"checkpoint={trained}", "system=arc", "costs=false", "benchmark.shots=2", "batch_size=1"]
    run(*words)
    once, encoded[:] = sum(encoded), []
    run(*words, "cache_gib=0", "paths.run=again")
    assert once <= 6  # documents there are
    assert sum(encoded) == 4 * 3  # questions with their own and two more


def test_compressors_of_several_systems_are_held_one_at_a_time(
    run: Command, base: list[str], trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    original_load, original_run = arc_system.load_arc_encoder, runner._run

    def load(*given: Any, **more: Any) -> Any:
        found = original_load(*given, **more)
        alive.add(found[0])
        return found

    def watched(*given: Any) -> Any:
        gc.collect()
        held.append(len(alive))
        return original_run(*given)

    monkeypatch.setattr(arc_system, "load_arc_encoder", load)
    monkeypatch.setattr(runner, "_run", watched)
    own = [f"systems.{name}.checkpoint={trained}" for name in ("icae", "xrag")]
    run(*base, "system=[icae,xrag,open_book]", "costs=false", *own)
    assert held == [1, 1, 0]
