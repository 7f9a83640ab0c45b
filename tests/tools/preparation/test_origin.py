"""Rows from files in every format, and from the hub as the library `datasets` gives them."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.tools.preparation import HubOrigin
from arc_encoder.tools.preparation.conversions.released_mix import ReleasedMix
from arc_encoder.tools.preparation.rows import read_rows

ROWS = [{"id": "1", "text": "eins"}, {"id": "2", "text": "zwei"}]


def origin(**options: Any) -> HubOrigin:
    settings = {
        "hub": "a/b",
        "split": "validation",
        "files": ["dev.json", "validation*.parquet", "*validation/*.jsonl"],
    }
    return HubOrigin(**{**settings, **options})


def rows(origin: HubOrigin, given: Path | None = None, place: Path = Path("nowhere")) -> list[Any]:
    return [row for _, row in origin.rows(None if given is None else str(given), place)]


def write(path: Path) -> Path:
    """ROWS in the format of the file's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    if path.name.endswith(".parquet"):
        parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra datasets (pyarrow)")
        pyarrow = pytest.importorskip("pyarrow")
        parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    elif path.name.endswith(".jsonl.gz"):
        path.write_bytes(gzip.compress(lines.encode()))
    elif path.name.endswith(".jsonl"):
        path.write_text(lines)
    elif path.name.endswith(".csv"):
        path.write_text("id,text\n1,eins\n2,zwei\n")
    elif path.name.endswith(".tsv"):
        path.write_text("id\ttext\n1\teins\n2\tzwei\n")
    else:
        path.write_text(json.dumps(ROWS))
    return path


@pytest.mark.parametrize("name", ["r.parquet", "r.jsonl", "r.jsonl.gz", "r.csv", "r.tsv", "r.json"])
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    assert list(read_rows(write(tmp_path / name))) == ROWS


def test_json_files_of_other_shapes(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_text(json.dumps({"version": "1.1", "data": ROWS}))
    assert list(read_rows(file)) == ROWS
    file.write_text(json.dumps({row["id"]: {"text": row["text"]} for row in ROWS}))
    assert list(read_rows(file)) == ROWS
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    assert list(read_rows(file)) == ROWS
    file.write_text("[1, 2]")
    with pytest.raises(DataError, match="expected a JSON list of objects"):
        list(read_rows(file))
    file.write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        list(read_rows(file))
    (tmp_path / "book.txt").write_text("Once upon\na time.")
    assert list(read_rows(tmp_path / "book.txt")) == [{"id": "book", "text": "Once upon\na time."}]
    (tmp_path / "r.doc").write_text("x")
    with pytest.raises(DataError, match="unknown format"):
        list(read_rows(tmp_path / "r.doc"))
    (tmp_path / "r.parquet").write_text("no parquet")
    pytest.importorskip("pyarrow", reason="needs the extra datasets (pyarrow)")
    with pytest.raises(DataError, match="cannot be read as parquet"):
        list(read_rows(tmp_path / "r.parquet"))


def test_a_folder_gives_the_split_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "validation" / "r.jsonl")
    write(tmp_path / "deep" / "train" / "r.jsonl")
    assert rows(origin(), tmp_path) == ROWS
    assert rows(origin(), place=tmp_path) == ROWS  # found in its own place, without being told


def test_a_wrong_path_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file or folder; expected dev.json or validation\*.parquet"):
        rows(origin(), tmp_path / "none")
    write(tmp_path / "train.json")
    with pytest.raises(ConfigError, match=r"no file there matches dev.json"):
        rows(origin(), tmp_path)


def test_without_the_hub_it_says_what_to_place_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr(HubOrigin, "_load", unreachable)
    with pytest.raises(DataError) as caught:
        rows(origin(), place=tmp_path / "originals")
    assert "a/b cannot be downloaded from the hub (ConnectionError: no route to the hub)" in str(caught.value)
    assert f"place one of these in {tmp_path / 'originals'}/" in str(caught.value)
    assert "dev.json | validation*.parquet" in str(caught.value)
    write(tmp_path / "originals" / "dev.json")
    assert rows(origin(), place=tmp_path / "originals") == ROWS


def test_the_hub_is_asked_for_its_parquet_conversion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra datasets")
    file, real, asked = write(tmp_path / "0000.parquet"), datasets.load_dataset, []

    def local(kind: str, *arguments: Any, **options: Any) -> Any:
        asked.append((kind, options["data_files"]))
        return real(kind, data_files={"validation": str(file)}, split="validation", streaming=True)

    monkeypatch.setattr(datasets, "load_dataset", local)
    assert rows(origin(config="plain")) == ROWS
    place = "hf://datasets/a/b@refs/convert/parquet"
    assert asked == [("parquet", {"validation": f"{place}/plain/validation/*.parquet"})]

    def partial(kind: str, *arguments: Any, **options: Any) -> Any:
        if "partial-" not in options["data_files"]["validation"]:
            raise FileNotFoundError("nothing there")
        return local(kind, **options)

    monkeypatch.setattr(datasets, "load_dataset", partial)
    assert rows(origin()) == ROWS  # of very large sets only the beginning is converted
    assert asked[1:] == [("parquet", {"validation": f"{place}/*/partial-validation/*.parquet"})]


def test_parallel_text_files(tmp_path: Path) -> None:
    (tmp_path / "eng_Latn.dev").write_text("One.\nTwo.\n")
    (tmp_path / "fra_Latn.dev").write_text("Un.\nDeux.\n")
    flores = origin(files=["*_Latn.dev"], parallel="stem")
    assert rows(flores, tmp_path) == [
        {"eng_Latn": "One.", "fra_Latn": "Un."},
        {"eng_Latn": "Two.", "fra_Latn": "Deux."},
    ]
    (tmp_path / "train.src").write_text("a\n")
    (tmp_path / "train.tgt").write_text("b\n")
    assert rows(origin(files=["train.???"], parallel="suffix"), tmp_path) == [{"src": "a", "tgt": "b"}]
    (tmp_path / "fra_Latn.dev").write_text("Un.\n")
    with pytest.raises(DataError, match=r"equally many lines, but: eng_Latn.dev 2, fra_Latn.dev 1"):
        rows(flores, tmp_path)


def make_zip(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_members_of_a_zip(tmp_path: Path) -> None:
    line = json.dumps(ROWS[0]) + "\n"
    file = make_zip(
        tmp_path / "q.zip", {"q/train.jsonl": "{}\n", "q/validation.jsonl": line, "__MACOSX/q/._validation.jsonl": "x"}
    )
    assert rows(origin(members=["*validation.jsonl"]), file) == ROWS[:1]
    with pytest.raises(DataError, match=r"holds no \*test.jsonl; it holds: q/train.jsonl, q/validation.jsonl"):
        rows(origin(members=["*test.jsonl"]), file)
    (tmp_path / "no.zip").write_text("x")
    with pytest.raises(DataError, match="no readable zip"):
        rows(origin(), tmp_path / "no.zip")


def test_the_released_mix_needs_its_members(tmp_path: Path) -> None:
    row = json.dumps({"question": "q", "answer": "a", "passage": "p"}) + "\n"
    mix = ReleasedMix("a/b", ["*.zip", "*.jsonl"], ["sciq", "drop"])
    file = make_zip(tmp_path / "mix.zip", {"data/drop.jsonl": row, "data/sciq.jsonl": row + row})
    assert [part for part, _ in mix.rows(str(file), tmp_path)] == ["drop", "sciq", "sciq"]
    assert len(list(mix.rows(str(tmp_path), tmp_path))) == 3
    file = make_zip(tmp_path / "mix.zip", {"data/drop.jsonl": row})
    with pytest.raises(DataError, match=r"lacks sciq.jsonl; it holds: data/drop.jsonl"):
        list(mix.rows(str(file), tmp_path))
    file = make_zip(tmp_path / "mix.zip", {"drop.jsonl": row, "sciq.jsonl": "broken\n"})
    with pytest.raises(DataError, match=r"sciq.jsonl:1: not valid JSON"):
        list(mix.rows(str(file), tmp_path))
