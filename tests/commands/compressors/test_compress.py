"""`arc-compress`: files in, vectors and offsets out."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from arc_encoder.commands.compressors import compress, store
from arc_encoder.inference import Compressor
from arc_encoder.inference.storage import VectorStore
from tests.commands.conftest import Make
from tests.tiny_runs import Command

TEXTS = ["a first document", "z", "and a third one that is longer than the others"]


@pytest.fixture
def run(make: Make) -> Command:
    return make(compress.main)


def arguments(checkpoint: Path, source: str, output: str = "out.safetensors", **more: object) -> list[str]:
    chosen = [f"checkpoint={checkpoint}", f"input='{source}'", f"output={output}", "threads=1", "device=cpu"]
    return [*chosen, *(f"{name}={value}" for name, value in more.items())]


def read(path: Path) -> tuple[torch.Tensor, torch.Tensor, dict[str, str]]:
    with safe_open(path, "pt") as file:
        assert set(file.keys()) == {"vectors", "offsets"}
        return file.get_tensor("vectors"), file.get_tensor("offsets"), file.metadata()


def write_jsonl(path: Path, records: list[dict]) -> None:
    text = "".join(json.dumps(record) + "\n" for record in records)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


@pytest.mark.parametrize("name", ["docs.jsonl", "docs.jsonl.gz"])
def test_offsets_lead_to_each_document_s_vectors(run: Command, trained: Path, tmp_path: Path, name: str) -> None:
    write_jsonl(tmp_path / name, [{"id": f"d{i}", "text": text} for i, text in enumerate(TEXTS)])
    printed = run(*arguments(trained, name))
    vectors, offsets, metadata = read(tmp_path / "out.safetensors")
    wanted = Compressor.from_pretrained(trained).compress(TEXTS)
    assert [len(each) for each in wanted] == [-(-len(text) // 4) + 1 for text in TEXTS]  # the task token too
    assert offsets.tolist() == [0, 5, 7, 7 + len(wanted[2])]
    assert offsets.dtype == torch.int64
    for i, own in enumerate(wanted):
        assert torch.equal(vectors[offsets[i] : offsets[i + 1]], own)
    assert metadata == {"ids": '["d0", "d1", "d2"]', "decoder": "huggingface", "factor": "4"}
    assert f"3 documents → {len(vectors)} vectors" in printed
    assert {file.name for file in tmp_path.iterdir()} == {name, "out.safetensors"}


def test_text_files_are_one_document_each(run: Command, trained: Path, tmp_path: Path) -> None:
    for name, text in zip(("b.txt", "a.txt"), TEXTS[:2], strict=True):
        (tmp_path / name).write_text(text)
    run(*arguments(trained, "*.txt"))
    vectors, offsets, metadata = read(tmp_path / "out.safetensors")
    assert json.loads(metadata["ids"]) == ["a.txt", "b.txt"]
    own = Compressor.from_pretrained(trained).compress(TEXTS[:2])
    assert torch.equal(vectors, torch.cat([own[1], own[0]]))
    assert offsets.tolist() == [0, 2, 7]


def test_the_factor_and_the_text_field_can_be_chosen(run: Command, trained: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "docs.jsonl", [{"body": text} for text in TEXTS])
    run(*arguments(trained, "docs.jsonl", "deep/er/out.safetensors", factor=8, text_field="body", batch_size=1))
    _, offsets, metadata = read(tmp_path / "deep" / "er" / "out.safetensors")
    assert metadata["factor"] == "8"
    assert json.loads(metadata["ids"])[1] == "docs.jsonl:2"
    assert offsets.diff().tolist() == [-(-len(text) // 8) + 1 for text in TEXTS]


def test_many_documents_come_out_in_order_whatever_the_blocks(run: Command, trained: Path, tmp_path: Path) -> None:
    texts = ["x" * (1 + 7 * i % 23) + str(i) for i in range(21)]
    write_jsonl(tmp_path / "docs.jsonl", [{"text": text} for text in texts])
    run(*arguments(trained, "docs.jsonl", batch_size=1))  # blocks of 8
    vectors, offsets, _ = read(tmp_path / "out.safetensors")
    for i, own in enumerate(Compressor.from_pretrained(trained).compress(texts)):
        torch.testing.assert_close(vectors[offsets[i] : offsets[i + 1]], own)


def test_an_existing_output_is_kept_unless_told_otherwise(run: Command, trained: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "docs.jsonl", [{"text": "one"}])
    output = tmp_path / "out.safetensors"
    output.write_text("precious")
    assert (
        "out.safetensors exists already; choose another name, or let it be overwritten (overwrite=true)"
        in run.fails(*arguments(trained, "docs.jsonl"))
    )
    assert output.read_text() == "precious"
    run(*arguments(trained, "docs.jsonl", overwrite="true"))
    assert read(output)[1].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("docs.jsonl", '{"text": "good"}\n{"text": \n', "docs.jsonl:2: not valid JSON"),
        ("docs.jsonl", '{"text": "good"}\n{"text": ""}\n', "docs.jsonl:2: missing or empty field 'text'"),
        (
            "docs.jsonl",
            '{"text": "good"}\n{"body": "x"}\n',
            "docs.jsonl:2: missing or empty field 'text' (found: body)",
        ),
        ("docs.jsonl", '{"text": ["a", "b"]}\n', "docs.jsonl:1: field 'text' holds list, expected text"),
        ("docs.jsonl", "", "docs.jsonl holds no document"),
        ("empty.txt", "", "empty.txt is empty: there is nothing to compress"),
        ("wrong.txt", b"\xff\xfe", "wrong.txt is not UTF-8 text"),
    ],
)
def test_bad_documents_are_named(
    run: Command, trained: Path, tmp_path: Path, name: str, content: str | bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert words in run.fails(*arguments(trained, name))
    assert {file.name for file in tmp_path.iterdir()} == {name}


@pytest.mark.filterwarnings("ignore:1 bad lines were skipped")
def test_bad_documents_can_be_skipped(run: Command, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "good", "text": "good"}\n{"text": \n')
    (tmp_path / "b.txt").write_text("")
    (tmp_path / "c.txt").write_text("also good")
    run(*arguments(trained, "*", on_error="skip"))
    assert json.loads(read(tmp_path / "out.safetensors")[2]["ids"]) == ["good", "c.txt"]


@pytest.mark.parametrize("missing", ["checkpoint", "input", "output"])
def test_each_argument_is_needed(run: Command, trained: Path, missing: str) -> None:
    given = [each for each in arguments(trained, "docs.jsonl") if not each.startswith(f"{missing}=")]
    assert f"{missing} is missing: arc-compress checkpoint=" in run.fails(*given)


def test_a_missing_input_or_checkpoint_is_named(run: Command, trained: Path, tmp_path: Path) -> None:
    assert "no file matches 'nowhere/*.jsonl'" in run.fails(*arguments(trained, "nowhere/*.jsonl"))
    write_jsonl(tmp_path / "docs.jsonl", [{"text": "one"}])
    errors = run.fails(*arguments(tmp_path / "nothing", "docs.jsonl"))
    assert f"no compressor could be loaded from '{tmp_path / 'nothing'}'" in errors


def test_a_damaged_checkpoint_is_named(run: Command, trained: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(trained, tmp_path / "broken")
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    write_jsonl(tmp_path / "docs.jsonl", [{"text": "one"}])
    assert "no compressor could be loaded from" in run.fails(*arguments(broken, "docs.jsonl"))


def test_an_output_that_cannot_be_written_is_told_before_the_work(run: Command, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    errors = run.fails(*arguments(trained, "nowhere.jsonl", "file/out.safetensors"))
    assert "file/out.safetensors cannot be written" in errors


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"factor": 0}, "factor=0: expected a whole number from 1 on"),
        ({"batch_size": "many"}, "batch_size='many': expected a whole number from 1 on"),
        ({"on_error": "ignore"}, "on_error='ignore' is unknown; choose stop or skip"),
        ({"engine": "vllm"}, "the chosen one compresses no documents; choose LocalEngine or RayEngine"),
        ({"decoder_name": "other"}, "no projector for decoder 'other'; it was made for: huggingface"),
    ],
)
def test_wrong_settings_are_named(run: Command, trained: Path, tmp_path: Path, more: dict, words: str) -> None:
    write_jsonl(tmp_path / "docs.jsonl", [{"text": "one"}])
    assert words in run.fails(*arguments(trained, "docs.jsonl", **more))


def test_an_unknown_device_is_named(run: Command, trained: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "docs.jsonl", [{"text": "one"}])
    given = [each for each in arguments(trained, "docs.jsonl") if each != "device=cpu"]
    assert "device 'tpu9' cannot be used here" in run.fails(*given, "device=tpu9")


def test_a_folder_becomes_a_store_that_goes_on(
    run: Command, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(tmp_path / "docs.jsonl", [{"id": f"d{i}", "text": text} for i, text in enumerate(TEXTS)])
    assert "3 documents → " in run(*arguments(trained, "docs.jsonl", "store", codec="float32", keep_text="true"))
    (tmp_path / "more.txt").write_text("a text in a file")
    printed = run(*arguments(trained, "*.*", "store", keep_text="true"), "codec=float32")
    assert "1 documents → 5 vectors; 3 were there before; 0 could not be compressed" in printed
    opened = VectorStore(tmp_path / "store")
    own = Compressor.from_pretrained(trained)
    for id, text in {**{f"d{i}": text for i, text in enumerate(TEXTS)}, "more.txt": "a text in a file"}.items():
        torch.testing.assert_close(opened[id].vectors, own.encode([text])[0].vectors)
        assert opened.text(id) == text
    look = Command(store.main, monkeypatch, capsys, hydra=False)
    assert "documents   4, 4 of them with their text" in look("info", "store")
    assert "4 documents, all sound" in look("verify", "store")
    assert "1 deleted" in look("delete", "store", "d0")
    assert "MB given back" in look("compact", "store")
    assert "there is no store at nowhere" in look.fails("verify", "nowhere")
    assert "keeps its vectors by FloatCodec" in run.fails(*arguments(trained, "docs.jsonl", "store", codec="int8"))


def test_one_bad_document_does_not_cost_the_others(run: Command, trained: Path, tmp_path: Path) -> None:
    long = "x" * (1024 * 32 + 1)
    write_jsonl(
        tmp_path / "docs.jsonl", [{"id": "a", "text": "one"}, {"id": "b", "text": long}, {"id": "c", "text": "two"}]
    )
    errors = run.fails(*arguments(trained, "docs.jsonl", "store"))
    assert "document 'b' has 32769 tokens, but at most 32 chunks of 1024 are read" in errors
    printed = run(*arguments(trained, "docs.jsonl", "store", on_error="skip"))
    assert "0 documents → 0 vectors; 2 were there before; 1 could not be compressed (see store/failed.jsonl)" in printed
    run(*arguments(trained, "docs.jsonl", on_error="skip"))
    assert json.loads(read(tmp_path / "out.safetensors")[2]["ids"]) == ["a", "c"]
    assert (tmp_path / "out.safetensors").stat().st_mode & 0o777 == (tmp_path / "docs.jsonl").stat().st_mode & 0o777


def test_an_id_that_comes_twice_is_refused_in_one_file(run: Command, trained: Path, tmp_path: Path) -> None:
    write_jsonl(
        tmp_path / "docs.jsonl", [{"id": "a", "text": "one"}, {"id": "a", "text": "two"}, {"id": "b", "text": "z"}]
    )
    assert "document 'a' has the id of one before it" in run.fails(*arguments(trained, "docs.jsonl"))
    with pytest.warns(UserWarning, match="'a' has the id of one before it; left out"):
        run(*arguments(trained, "docs.jsonl", on_error="skip"))
    _, offsets, metadata = read(tmp_path / "out.safetensors")
    assert json.loads(metadata["ids"]) == ["a", "b"]
    assert len(offsets) == 3


def test_several_processes_do_not_write_one_file(
    run: Command, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "docs.jsonl", [{"text": "one"}])
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "2 processes cannot share the file" in run.fails(*arguments(trained, "docs.jsonl"))
