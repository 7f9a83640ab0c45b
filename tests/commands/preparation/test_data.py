"""`arc-data check` and `arc-data prepare`, as a user types them."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from arc_encoder.commands.preparation import data
from arc_encoder.config.paths import configs_folder
from arc_encoder.data.sources.jsonl import JsonlQuestions
from tests.commands.conftest import Make
from tests.tiny_runs import Command

RECIPES = sorted(file.stem for file in (configs_folder() / "recipe").glob("*.yaml"))


@pytest.fixture
def run(make: Make) -> Command:
    return make(data.main)


def write(path: Path, records: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
    return path


def questions(count: int = 8) -> list[Any]:
    return [
        {"question": f"What is number {n}?", "answers": ["blue"], "passages": [f"Thing {n} is blue."]}
        for n in range(count)
    ]


def read(path: Path) -> list[Any]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


# ---- the verbs


def test_help_and_unknown_verbs(run: Command, tmp_path: Path) -> None:
    assert "arc-data prepare <recipe>" in run("--help")
    assert "no such verb (did you mean 'check'?)" in run.fails("chek")
    assert "text_field: text" in run("check", "--help")
    assert "recipe: adversarial_qa, arxiv" in run("prepare", "--help")
    assert not list(tmp_path.iterdir())


# ---- check


def test_check_of_a_file(run: Command, tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", questions())
    output = run("check", "mine.jsonl", "decoder=[toy_a,toy_b]", "output=report.json")
    assert "8 questions" in output
    assert "context, decoder toy_b" in output
    assert "⟦target⟧ blue" in output
    assert "usable: 1 of 1 source" in output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["usable"]
    assert report["sources"][0]["lengths"]["decoder toy_b"]["context"]["number"] == 8
    assert "exists already" in run.fails("check", "mine.jsonl", "output=report.json")
    run("check", "mine.jsonl", "output=report.json", "overwrite=true")


def test_check_of_broken_lines(run: Command, tmp_path: Path) -> None:
    write(tmp_path / "[odd] name's.jsonl", [*questions(), "{broken", {"question": "q"}])
    code, output, _ = run.outcome("check", "[odd] name's.jsonl")
    assert code == 1
    assert "! 2 × broken line" in output
    assert "name's.jsonl:9: not valid JSON" in output
    assert "name's.jsonl:10: missing or empty field 'passages'" in output
    assert "not usable: [odd] name's.jsonl" in output
    assert "· 2 × broken line, left out" in run("check", "[odd] name's.jsonl", "on_error=skip")


def test_check_of_several_files_and_kinds(run: Command, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", questions())
    write(tmp_path / "b.jsonl", [{"text": "some longer text of a document"}] * 2)
    output = run("check", "path=*.jsonl")
    assert "8 questions" in output
    assert "2 documents" in output
    assert "1 × exact repetition" in output
    renamed = [{"q": "Why?", "a": "so", "p": "It is so."}] * 8
    write(tmp_path / "c.jsonl", renamed)
    code, output, _ = run.outcome("check", "c.jsonl")
    assert code == 1
    assert "neither 'text' nor 'question', but q, a, p" in output
    assert "8 questions" in run("check", "c.jsonl", "fields={question: q, answer: a, passages: p}")


def test_check_of_empty_and_damaged_files(run: Command, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(json.dumps(questions()[0]).encode() * 50)[:60])
    for name, words in (("empty.jsonl", "holds no record"), ("cut.jsonl.gz", "cannot be read after line")):
        code, output, _ = run.outcome("check", name)
        assert code == 1
        assert words in output
    assert "no file matches" in run.fails("check", "none.jsonl")


def test_check_of_a_data_configuration(run: Command, tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", [*questions(), "{broken"])
    given = ["check", "data=jsonl_finetune", "data.tasks.qa.source.path=mine.jsonl"]
    code, output, _ = run.outcome(*given)
    assert code == 1
    assert "tasks.qa (mine.jsonl)" in output
    assert "! 1 × broken line" in output
    assert "· 1 × broken line, left out" in run(*given, "data.tasks.qa.source.on_error=skip")
    _, output, _ = run.outcome(*given, "data.tasks.qa.shots=20")
    assert "does not accept it: few-shot: 20 examples were asked for" in output
    output = run("check", "data=toy_finetune", "limit=20", "samples=2", "examples=1")
    assert "tasks.reconstruction, tasks.continuation" in output
    assert "1,000,000 documents, the first 20 looked at" in output


def test_mistakes_of_check(run: Command, tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", questions())
    assert "give either files" in run.fails("check")
    assert "give either files" in run.fails("check", "mine.jsonl", "data=toy_finetune")
    assert "there is no 'limits'" in run.fails("check", "mine.jsonl", "limits=3")
    message = run.fails("check", "mine.jsonl", "kind=poems", "samples=-1")
    assert "kind='poems' is unknown" in message
    assert "samples=-1: expected a whole number" in message
    assert "data.tasks.qa.source.path: no value given" in run.fails("check", "data=jsonl_finetune")
    assert "data.tasks.qa.shot: there is no 'shot'" in run.fails("check", "data=jsonl_finetune", "data.tasks.qa.shot=1")
    assert "choose one" in run.fails("check", "mine.jsonl", "path=mine.jsonl")
    (tmp_path / "taken").write_text("")
    assert "cannot be written" in run.fails("check", "mine.jsonl", "output=taken/report.json")


# ---- prepare


def test_the_list_names_every_recipe(run: Command, tmp_path: Path) -> None:
    output = run("prepare")
    assert all(name in output for name in RECIPES)
    assert len(RECIPES) >= 25
    assert not list(tmp_path.iterdir())


def test_a_recipe_of_ones_own(run: Command, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/preparing.md").read_text()
    recipe = tmp_path / "mine/recipe/reviews.yaml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(page.split("```yaml\n")[1].split("```")[0])
    write(tmp_path / "train.jsonl", [{"review": "Long and good.", "headline": "Good"}])
    given = ["--config-dir", "mine", "from=train.jsonl", "output=reviews.jsonl.gz"]
    assert "1 records in reviews.jsonl.gz" in run("prepare", "reviews", *given)
    assert read(tmp_path / "reviews.jsonl.gz")[0]["answers"] == ["Good"]
    assert "reviews to summarize" in run("prepare", "--config-dir", "mine")


def test_squad_from_its_original_file(run: Command, tmp_path: Path) -> None:
    answers = [{"text": text, "answer_start": 0} for text in ("Ann", "Ann B.")]
    asked = [{"id": "1", "question": "Who?", "answers": answers}, {"id": "2", "question": "What?", "answers": []}]
    original = {"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": "Ann B. did.", "qas": asked}]}]}
    (tmp_path / "dev-v1.1.json").write_text(json.dumps(original))
    output = run("prepare", "squad", "from=dev-v1.1.json", "output=out/squad.jsonl.gz")
    assert "1 records in out/squad.jsonl.gz" in output
    assert "1 × no answer" in output
    assert read(tmp_path / "out/squad.jsonl.gz") == [
        {
            "id": "squad-000000",
            "question": "Who?",
            "answers": ["Ann", "Ann B."],
            "passages": ["Ann B. did."],
            "document": "t",
        }
    ]
    manifest = json.loads((tmp_path / "out/squad.jsonl.gz.manifest.json").read_text())
    assert manifest["source"]["hub"] == "rajpurkar/squad"
    assert manifest["source"]["read_from"] == ["dev-v1.1.json"]
    assert (manifest["records"], manifest["left_out"]) == (1, {"no answer": 1})
    assert manifest["licence"] == "CC BY-SA 4.0"
    assert "recipe=squad" in manifest["command"]
    assert JsonlQuestions(str(tmp_path / "out/squad.jsonl.gz"))[0].answers == ("Ann", "Ann B.")
    assert "exists already" in run.fails("prepare", "squad", "from=dev-v1.1.json", "output=out/squad.jsonl.gz")
    run("prepare", "squad", "from=dev-v1.1.json", "output=out/squad.jsonl.gz", "overwrite=true")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["squad.jsonl.gz", "squad.jsonl.gz.manifest.json"]


def test_training_and_evaluation_are_kept_apart(run: Command, tmp_path: Path) -> None:
    lines = [f"line {number} " + " ".join(f"w{number}x{each}" for each in range(200)) for number in range(40)]
    write(tmp_path / "wiki.jsonl", [{"text": f"{line}\n{line} again\n{line} at last"} for line in lines])
    write(tmp_path / "dev.jsonl", [{"passages": [lines[0]], "question": "q", "answers": ["a"]}])
    words = ["prepare", "wikipedia", "from=wiki.jsonl", "exclude=[dev.jsonl]", "held_out=0.25"]
    output = run(*words)
    kept = read(tmp_path / "corpus/wikipedia.jsonl.gz")
    aside = read(tmp_path / "corpus/wikipedia_held_out.jsonl.gz")
    assert f"{len(aside)} held out in wikipedia_held_out.jsonl.gz" in output
    assert "shares 13 words in a row with dev.jsonl" in output
    documents = [{each["document"] for each in part} for part in (kept, aside)]
    assert not documents[0] & documents[1]
    assert len(documents[0] | documents[1]) == 39
    manifest = json.loads((tmp_path / "corpus/wikipedia.jsonl.gz.manifest.json").read_text())
    assert manifest["held_out"] == {"file": "wikipedia_held_out.jsonl.gz", "records": len(aside)}
    run(*words, "overwrite=true")
    assert read(tmp_path / "corpus/wikipedia_held_out.jsonl.gz") == aside
    for wrong, told in (("held_out=1", "expected a share"), ("held_out=x", "'x'"), ("exclude=none.jsonl", "no file")):
        assert told in run.fails("prepare", "wikipedia", "from=wiki.jsonl", "output=b.jsonl", wrong)
    assert not (tmp_path / "b.jsonl").exists()


def test_passages_are_retrieved(run: Command, tmp_path: Path) -> None:
    write(
        tmp_path / "nq.jsonl",
        [{"question": "who discovered penicillin", "answer": ["Fleming"]}, {"question": "zzz", "answer": ["b"]}],
    )
    write(tmp_path / "wiki.jsonl", [{"text": "Penicillin was found by Fleming."}, {"text": "A violin has strings."}])
    assert "nq_open comes without passages" in run.fails("prepare", "nq_open", "from=nq.jsonl")
    output = run("prepare", "nq_open", "from=nq.jsonl", "passages=wiki.jsonl", "top=1", "output=nq_out.jsonl.gz")
    assert "an answer occurs in the passages of 100.0%" in output
    assert "1 × no passage was found" in output
    assert read(tmp_path / "nq_out.jsonl.gz")[0]["passages"] == ["Penicillin was found by Fleming."]
    manifest = json.loads((tmp_path / "nq_out.jsonl.gz.manifest.json").read_text())
    assert manifest["passages"]["retriever"] == "BM25 (bm25s)"
    write(tmp_path / "bad.jsonl", [{"content": "x"}])
    message = run.fails("prepare", "nq_open", "from=nq.jsonl", "passages=bad.jsonl", "output=b.jsonl.gz")
    assert "bad.jsonl:1: missing or empty field 'text'" in message
    assert not (tmp_path / "b.jsonl.gz").exists()


def test_the_released_mix_becomes_the_files_of_the_papers_configuration(run: Command, tmp_path: Path) -> None:
    parts = yaml.safe_load((configs_folder() / "recipe/released_mix.yaml").read_text())["origin"]["parts"]
    row = json.dumps({"question": "q?", "answer": "a", "passage": "p a"}) + "\n"
    with zipfile.ZipFile(tmp_path / "mix.zip", "w") as archive:
        for part in parts:
            archive.writestr(f"ARC_finetuning/{part}.jsonl", row * 7)
    run("prepare", "released_mix", "from=mix.zip")
    found = sorted(file.name for file in (tmp_path / "corpus/finetuning").glob("*.jsonl"))
    assert found == sorted(f"{part}.jsonl" for part in parts)
    assert "usable: 13 of 13 sources" in run("check", "data=paper_finetune", "samples=1", "examples=0")
    with zipfile.ZipFile(tmp_path / "mix.zip", "w") as archive:
        archive.writestr("sciq.jsonl", row)
    assert "lacks adversarialqa.jsonl" in run.fails("prepare", "released_mix", "from=mix.zip", "overwrite=true")


def test_without_a_network_it_says_what_to_place_where(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arc_encoder.tools.preparation.origin import HubOrigin

    def unreachable(_: HubOrigin) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(HubOrigin, "_load", unreachable)
    message = run.fails("prepare", "hotpot_qa", "paths.corpus=mine")
    assert "hotpotqa/hotpot_qa cannot be downloaded from the hub (ConnectionError: no network)" in message
    assert "place one of these in mine/originals/hotpot_qa/" in message
    assert "hotpot_dev_distractor_v1.json" in message
    assert not list(tmp_path.rglob("*.part"))
    original = [{"_id": "1", "question": "q?", "answer": "yes", "context": [["A", ["One.", " Two."]]]}]
    place = tmp_path / "mine/originals/hotpot_qa/hotpot_dev_distractor_v1.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(original))
    assert "1 records in mine/hotpot_qa.jsonl.gz" in run("prepare", "hotpot_qa", "paths.corpus=mine")


def test_mistakes_of_prepare(run: Command, tmp_path: Path) -> None:
    assert "recipe=squat: no such choice (did you mean 'squad'?)" in run.fails("prepare", "squat")
    assert "one recipe at a time" in run.fails("prepare", "squad", "drop")
    assert "no such file or folder" in run.fails("prepare", "squad", "from=nowhere.json")
    assert "top=0 must be a whole number" in run.fails("prepare", "squad", "top=0")
    write(tmp_path / "rows.jsonl", [{"frage": "q", "antwort": "a"}])
    message = run.fails("prepare", "squad", "from=rows.jsonl")
    assert "a row has no field 'question'; it has: frage, antwort" in message
    write(tmp_path / "ids.jsonl", [{"id": "sciq-1", "content": "q", "label": ["a"]}])
    write(tmp_path / "wiki.jsonl", [{"text": "x y"}])
    message = run.fails("prepare", "ms_marco", "from=ids.jsonl", "passages=wiki.jsonl")
    assert "no record was made of these rows (1 × another set: id begins with 'sciq')" in message
    (tmp_path / "taken").write_text("")
    assert "taken is no folder" in run.fails("prepare", "squad", "output=taken/squad.jsonl.gz")
    assert "is a folder; give the name of a file" in run.fails("prepare", "squad", f"output={tmp_path}")
    assert not (tmp_path / "corpus").exists() or not list((tmp_path / "corpus").iterdir())
