"""Ray Data, on two workers of this machine: what is compressed here is compressed there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.inference import Compressor
from arc_encoder.inference.storage import FloatCodec, VectorStore
from arc_encoder.inference.storage.corpus.corpus import Outcome
from arc_encoder.inference.storage.corpus.documents import read_documents, read_file
from arc_encoder.inference.storage.corpus.engines import CorpusJob, Engine, LocalEngine, RayEngine
from arc_encoder.inference.storage.corpus.engines.ray_data import _row, _rows, _written


@pytest.fixture(scope="module")
def engine() -> Iterator[RayEngine]:
    ray = pytest.importorskip("ray")
    yield RayEngine(workers=2)
    ray.shutdown()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two files; one text occurs in both of them, under different names."""
    found = []
    for name in ("a", "b"):
        records = [
            {"id": f"{name}/{i}", "text": f"{name if i else 'same'}: document {i} " + "x" * i} for i in range(40)
        ]
        found.append(tmp_path / f"{name}.jsonl")
        found[-1].write_text("".join(json.dumps(record) + "\n" for record in records))
    return found


def job(files: list[Path], folder: Path, language_model: Path, **options: Any) -> CorpusJob:
    return CorpusJob(
        files=files,
        read=read_file,
        load=partial(Compressor.from_pretrained, folder, decoder=language_model),
        **options,
    )


def compressed(engine: Engine, wanted: CorpusJob, compressor: Compressor, folder: Path) -> tuple[VectorStore, Outcome]:
    store = VectorStore.create(folder, compressor.origin_of_vectors(), FloatCodec("float32"))
    pattern = str(wanted.files[0].parent / "*.jsonl")
    return store, engine.compress(wanted, compressor, store, read_documents(pattern))


@pytest.mark.slow
def test_ray_makes_the_same_store(
    engine: RayEngine, files: list[Path], folder: Path, language_model: Path, compressor: Compressor, tmp_path: Path
) -> None:
    with files[0].open("a") as opened:
        opened.write(json.dumps({"id": "long", "text": "y" * 100_000}) + "\n")
    options = {"keep_text": True, "fidelity": True, "stop_on_error": False}
    wanted = job(files, folder, language_model, batch_size=4, **options)
    there, outcome = compressed(engine, wanted, compressor, tmp_path / "ray")
    here, other = compressed(LocalEngine(), wanted, compressor, tmp_path / "here")
    assert (outcome.compressed, outcome.vectors) == (other.compressed, other.vectors) == (80, outcome.vectors)
    assert [id for id, _ in outcome.failed] == ["long"]
    assert outcome.failed == other.failed
    assert list(there) == list(here)
    for id in here:
        assert there[id].origin == here[id].origin
        torch.testing.assert_close(there[id].vectors, here[id].vectors)
        assert there[id].fidelity == pytest.approx(here[id].fidelity)
        assert there.text(id) == here.text(id)
    assert sum(len(there.shards.read(shard)["vectors"]) for shard in there.index.shards()) == outcome.vectors
    again = engine.compress(wanted, compressor, there, iter(()))
    assert (again.compressed, again.done_before) == (0, 80)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"ids": ["a/1"], "source": "other"}, "two documents are called 'a/1'"),
        ({"ids": ["long"], "problem": "has too many tokens"}, "document 'long' has too many tokens; leave it out"),
    ],
)
def test_what_was_encoded_before_an_error_is_kept(
    row: dict[str, Any], told: str, folder: Path, language_model: Path, compressor: Compressor, tmp_path: Path
) -> None:
    (context,) = compressor.encode(["some text"])
    good = _row(["a/1"], source=context.origin.source, tokens=context.origin.tokens, vectors=context.vectors.numpy())
    encoded = SimpleNamespace(iter_rows=lambda: iter([good, _row(row.pop("ids"), **row)]))
    store = VectorStore.create(tmp_path / "store", compressor.origin_of_vectors(), FloatCodec("float32"))
    with pytest.raises(DataError, match=told):
        _written(encoded, compressor, store, job([], folder, language_model), compressor.pooling_factor)
    assert torch.equal(store["a/1"].vectors, context.vectors)
    assert store["a/1"].origin == context.origin


def test_settings_are_checked() -> None:
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match="workers=0"):
        RayEngine(workers=0)


def test_what_a_worker_says_is_said_in_a_line() -> None:
    ours = DataError("a.jsonl:3: is no JSON; repair it")
    wrapped = RuntimeError("ray::Task() a traceback of many lines")
    wrapped.cause = ours

    def failing() -> Iterator[dict[str, Any]]:
        raise wrapped
        yield {}

    with pytest.raises(DataError, match=r"^a.jsonl:3: is no JSON; repair it$"):
        list(_rows(SimpleNamespace(iter_rows=failing)))
    with pytest.raises(DataError, match="Ray could not compress the documents: a traceback"):
        list(_rows(SimpleNamespace(iter_rows=lambda: (_ for _ in ()).throw(RuntimeError("first\na traceback")))))


def test_texts_are_kept_of_what_was_there_before(
    folder: Path, language_model: Path, compressor: Compressor, tmp_path: Path
) -> None:
    (context,) = compressor.encode(["some text"])
    store = VectorStore.create(tmp_path / "store", compressor.origin_of_vectors(), FloatCodec("float32"))
    store.add({"a": context})
    before = _row(["a"], source=context.origin.source, text="some text", before=True)
    encoded = SimpleNamespace(iter_rows=lambda: iter([before]))
    wanted = job([], folder, language_model, keep_text=True)
    assert _written(encoded, compressor, store, wanted, compressor.pooling_factor).done_before == 1
    assert store.text("a") == "some text"
