"""A store of compressed documents: add, replace, delete, compact, verify; read while it is written."""

from __future__ import annotations

import errno
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from arc_encoder.core.errors import CheckpointError, ConfigError, DataError
from arc_encoder.data.retrieval import Bm25
from arc_encoder.inference.storage import FloatCodec, Int8Codec, ProductCodec, VectorStore
from arc_encoder.inference.storage.retrieval import StoreSearch
from tests.inference.storage.conftest import Made


@pytest.fixture
def store(tmp_path: Path, made: Made) -> VectorStore:
    return VectorStore.create(tmp_path / "store", made("any").origin, FloatCodec("float32"))


def shards(store: VectorStore) -> list[Path]:
    return sorted((store.folder / "shards").iterdir())


def test_documents_come_back(store: VectorStore, made: Made) -> None:
    documents = {f"d{i}": made(f"text {i}", count=1 + i) for i in range(5)}
    store.add(documents)
    assert len(store) == 5
    assert list(store) == sorted(documents)
    assert "d3" in store
    assert "other" not in store
    for opened in (store, VectorStore(store.folder)):
        for id, found in zip(["d4", "d0", "d4"], opened.get(["d4", "d0", "d4"]), strict=True):
            assert torch.equal(found.vectors, documents[id].vectors)
            assert found.origin == documents[id].origin
    assert store["d2"].origin == documents["d2"].origin


def test_a_text_that_comes_twice_is_kept_once(store: VectorStore, made: Made) -> None:
    store.add({"a": made("same"), "b": made("same"), "c": made("same", factor=8.0)})
    store.add({"d": made("same"), "e": made("other")})
    assert sum(tensor["vectors"].shape[0] for tensor in map(store.shards.read, store.index.shards())) == 9
    store.delete(["a"])
    assert torch.equal(store["d"].vectors, made("same").vectors)
    assert store["c"].origin.factor == 8


def test_replace_delete_and_compact(store: VectorStore, made: Made) -> None:
    store.add({f"d{i}": made(f"text {i}", count=50) for i in range(20)})
    store.add({"d0": made("another text", count=50)})
    assert torch.equal(store["d0"].vectors, made("another text", count=50).vectors)
    store.delete([f"d{i}" for i in range(1, 15)])
    before = {id: store[id].vectors for id in store}
    reader = VectorStore(store.folder)
    assert len(reader.get(["d19"])[0]) == 50
    freed = store.compact(vectors_per_shard=100)
    assert freed > 14 * 50 * 8 * 4
    assert len(shards(store)) == 3  # 6 documents of 50
    for opened in (store, reader, VectorStore(store.folder)):
        assert dict.fromkeys(opened, True) == {id: torch.equal(opened[id].vectors, before[id]) for id in before}
    assert store.verify() == []
    assert store.compact(vectors_per_shard=100) == 0
    store.delete(list(store))
    store.compact()
    assert shards(store) == []


def test_texts_are_kept_if_they_are_given(store: VectorStore, made: Made) -> None:
    store.add({"a": made("text a"), "b": made("text b")}, {"a": "text a"})
    assert store.text("a") == "text a"
    assert store.text("b") is None
    with pytest.raises(DataError, match="'c': the text that is to be kept is not the one"):
        store.add({"c": made("text c")}, {"c": "something else"})
    store.compact()
    assert store.text("a") == "text a"


def test_what_is_not_there_is_named(store: VectorStore, made: Made) -> None:
    store.add({"a": made("text")})
    for act in (
        lambda: store["b"],
        lambda: store.get(["a", "b"]),
        lambda: store.text("b"),
        lambda: store.delete(["a", "b"]),
    ):
        with pytest.raises(DataError, match="has no document 'b'"):
            act()
    assert "a" in store


@pytest.mark.parametrize("other", [{"encoder": "x" * 64}, {"decoder": "x" * 64}, {"decoder_name": "x"}])
def test_vectors_of_other_models_are_refused(store: VectorStore, made: Made, other: dict[str, str]) -> None:
    with pytest.raises(CheckpointError, match=f"by or for another {next(iter(other))} than"):
        store.add({"good": made("a"), "strange": made("b", **other)})
    assert len(store) == 0
    with pytest.raises(CheckpointError, match=f"holds vectors of another {next(iter(other))}"):
        VectorStore.create(store.folder, made("a", **other).origin)


def test_another_codec_or_folder_is_refused(store: VectorStore, made: Made, tmp_path: Path) -> None:
    origin = made("a").origin
    assert VectorStore.create(store.folder, origin).codec.settings() == {"dtype": "float32"}
    with pytest.raises(CheckpointError, match="keeps its vectors by FloatCodec"):
        VectorStore.create(store.folder, origin, Int8Codec())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    with pytest.raises(ConfigError, match="holds something that is no store"):
        VectorStore.create(tmp_path / "full", origin)
    with pytest.raises(ConfigError, match="cannot be written"):
        VectorStore.create(tmp_path / "full" / "file" / "deeper", origin)
    with pytest.raises(CheckpointError, match="there is no store at"):
        VectorStore(tmp_path / "nowhere")


def test_damage_is_found(store: VectorStore, made: Made) -> None:
    store.add({"a": made("a"), "b": made("b")}, {"a": "a"})
    store.add({"c": made("c")})
    assert store.verify() == []
    with sqlite3.connect(store.folder / "index.sqlite") as base:
        base.execute("UPDATE documents SET text = 'changed' WHERE id = 'a'")
    holds_c = store.folder / "shards" / store.index.find(["c"])["c"].shard
    content = bytearray(holds_c.read_bytes())
    content[-1] ^= 1
    holds_c.write_bytes(content)
    problems = VectorStore(store.folder).verify()
    assert sorted(problem.split(" ")[0] for problem in problems) == ["a:", "c:"]
    assert any("c: its shard" in problem and "missing or damaged" in problem for problem in problems)
    assert any("a: its text is not the one that was compressed" in problem for problem in problems)
    with pytest.raises(DataError, match="missing or damaged; delete its documents"):
        store.compact()  # would give the damage a name of its own
    holds_c.unlink()
    assert any(problem.startswith("c: its shard") for problem in VectorStore(store.folder).verify())
    store.add({"c": made("c")})  # what is not there any more is written again
    assert torch.equal(VectorStore(store.folder)["c"].vectors, made("c").vectors)


def test_a_creation_that_was_killed_can_be_made_again(tmp_path: Path, made: Made) -> None:
    (tmp_path / "store" / "shards").mkdir(parents=True)
    (tmp_path / "store" / ".store.json.host.7.part").write_text("{")
    VectorStore.create(tmp_path / "store", made("a").origin).add({"a": made("a")})
    assert list(VectorStore(tmp_path / "store")) == ["a"]


def test_texts_can_be_kept_later(store: VectorStore, made: Made) -> None:
    store.add({"a": made("text a"), "b": made("text b")})
    store.keep_texts({"a": "text a", "b": "another text", "c": "not there"})
    assert (store.text("a"), store.text("b")) == ("text a", None)


def test_a_reader_sees_what_is_added_meanwhile(store: VectorStore, made: Made) -> None:
    reader = VectorStore(store.folder)
    for number in range(5):
        store.add({f"d{number}": made(f"text {number}")})
        assert len(reader) == number + 1
        assert torch.equal(reader[f"d{number}"].vectors, made(f"text {number}").vectors)


def test_a_shard_that_no_entry_names_is_cleared_up(store: VectorStore, made: Made) -> None:
    store.add({"a": made("a")})
    store.shards.write(store.codec.encode(torch.randn(4, 8)))  # and killed before the index knew
    assert len(shards(store)) == 2
    assert VectorStore(store.folder).verify() == []
    (store.folder / "shards" / ".x.safetensors.host.7.part").write_text("unfinished")
    store.compact()
    assert len(shards(store)) == 1
    assert torch.equal(store["a"].vectors, made("a").vectors)


def test_a_codec_that_learns_learns_once_for_all_who_write_and_read(tmp_path: Path, made: Made) -> None:
    pytest.importorskip("faiss")
    folder, origin = tmp_path / "store", made("any").origin
    first, second = (VectorStore.create(folder, origin, ProductCodec(4)) for _ in range(2))
    reader = VectorStore(folder)
    with pytest.raises(ConfigError, match="at least 1024 vectors"):
        first.add({"small": made("small")})
    assert len(first) == 0
    documents = {f"d{i}": made(f"text {i}", count=40) for i in range(40)}
    first.add(documents)
    learned = (folder / "codec.safetensors").read_bytes()
    second.add({"ü/1": made("later")})
    assert (folder / "codec.safetensors").read_bytes() == learned
    for store in (first, second, reader, VectorStore(folder)):
        for id in ("d7", "ü/1"):
            expected = (documents | {"ü/1": made("later")})[id].vectors
            off = (store[id].vectors - expected).square().mean() / expected.square().mean()
            assert off < 0.1
    before = reader["d3"].vectors
    first.delete(["d1"])
    first.compact()
    assert torch.equal(VectorStore(folder)["d3"].vectors, before)
    assert VectorStore(folder).verify() == []
    (folder / "codec.safetensors").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"codec.safetensors cannot be read"):
        VectorStore(folder)["d3"]
    assert len(VectorStore(folder).verify()) == 40


def test_a_codec_that_learned_before_is_taken_as_it_is(tmp_path: Path, made: Made) -> None:
    pytest.importorskip("faiss")
    codec = ProductCodec(8)
    codec.fit(torch.cat([made(f"text {i}", count=40).vectors for i in range(40)]))
    store = VectorStore.create(tmp_path / "store", made("any").origin, codec)
    store.add({"one": made("text 3", count=40)})  # too few to learn from
    expected = codec.decode(codec.encode(made("text 3", count=40).vectors))
    assert torch.equal(VectorStore(store.folder)["one"].vectors, expected)


def test_vectors_that_cannot_be_kept_are_refused_by_name(store: VectorStore, made: Made) -> None:
    store.add({"good": made("good")})
    bad = {
        "wide": (torch.randn(3, 9), "width 9, but the store's have 8"),
        "flat": (torch.randn(8), r"shape \(8,\)"),
        "none": (torch.randn(0, 8), r"shape \(0, 8\)"),
        "nan": (torch.full((2, 8), float("nan")), "not finite"),
    }
    for id, (vectors, told) in bad.items():
        with pytest.raises(DataError, match=f"'{id}'.*{told}"):
            store.add({"fresh": made("fresh"), id: replace(made(id), vectors=vectors)})
    with pytest.raises(DataError, match="is no text"):
        store.add({"": made("x")})
    assert list(store) == ["good"]
    with pytest.raises(DataError, match="no document 'gone'"):
        store["gone"]


def test_a_full_disk_costs_nothing_that_was_there(
    store: VectorStore, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add({"before": made("before")})

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("arc_encoder.inference.storage.shards.atomic_file", full)
        with pytest.raises(DataError, match=r"No space left.*before is untouched"):
            store.add({"after": made("after")})
    pages = store.index._base.execute("PRAGMA page_count").fetchone()[0]
    store.index._base.execute(f"PRAGMA max_page_count = {pages}")
    texts = {f"d{i}": "long " * 500 + str(i) for i in range(50)}
    with pytest.raises(DataError, match="database or disk is full"):
        store.add({id: made(text) for id, text in texts.items()}, texts)
    opened = VectorStore(store.folder)
    assert list(opened) == ["before"]
    assert opened.verify() == []
    opened.add({id: made(text) for id, text in texts.items()}, texts)  # there is room again
    assert len(opened) == 51


def test_an_empty_store_says_that_it_is(store: VectorStore) -> None:
    assert (len(store), list(store), store.verify(), store.get([])) == (0, [], [], [])
    assert store.compact() == 0
    with pytest.raises(DataError, match="has no document 'any'"):
        store["any"]
    with pytest.raises(DataError, match="keeps no texts to search in"):
        StoreSearch(store, Bm25())


def test_what_was_known_of_a_text_stays_known(store: VectorStore, made: Made) -> None:
    store.add({"a": replace(made("text"), fidelity=0.5)}, {"a": "text"})
    store.add({"a": made("text")})
    assert (store.text("a"), store["a"].fidelity) == ("text", 0.5)
    store.add({"a": made("text", factor=8.0)})
    assert (store.text("a"), store["a"].fidelity) == ("text", None)
    store.add({"a": made("another text")})
    assert (store.text("a"), store["a"].fidelity) == (None, None)
