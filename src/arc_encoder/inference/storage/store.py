"""A folder of compressed documents: shards of vectors, and an index of where each document is.

    store.json            models, factor-independent: who made the vectors, for whom, how they are kept
    index.sqlite          a row for each document
    codec.safetensors     what the codec learned, if it learns
    shards/*.safetensors  vectors of many documents; named by SHA-256 of the file, which is never changed

A shard is written whole, then named in the index in one transaction: whatever kills a writer, the index never names
what is not there. A shard that no entry names is what a killed writer left, and `compact` removes it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from arc_encoder.core.atomic import write_text_atomically
from arc_encoder.core.errors import CheckpointError, ConfigError, DataError, writing
from arc_encoder.inference.encoding.contexts import CompressedContext, Origin, source_digest
from arc_encoder.inference.storage.codecs.codecs import Codec, FloatCodec
from arc_encoder.inference.storage.codecs.learned import fit_once, read_learned
from arc_encoder.inference.storage.index import Entry, Index
from arc_encoder.inference.storage.shards import Shards, unfinished
from arc_encoder.inference.storage.validation import MODELS, check_addable, faults_of

VERSION = 1
WRITER = ".writer.lock"  # held by who fills the whole store
MADE_FIRST = ("shards", "store.json", WRITER)  # by a process that creates the store now, or was killed while it did


class VectorStore:
    """Compressed documents by id.

    Args:
        folder: of the store.

    Raises:
        CheckpointError: there is no store, or one of another version.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        about = self.folder / "store.json"
        try:
            found = json.loads(about.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"there is no store at {self.folder} ({error}); `compress` makes one") from error
        if found.get("version") != VERSION:
            raise CheckpointError(f"{about} is of version {found.get('version')}; this program reads {VERSION}")
        self.models: dict[str, Any] = {name: found["models"][name] for name in MODELS}
        self.codec = Codec.from_settings(found["codec"]["name"], found["codec"]["settings"])
        self.index = Index(self.folder / "index.sqlite")
        self.shards = Shards(self.folder / "shards")

    @classmethod
    def create(cls, folder: str | Path, like: Origin, codec: Codec | None = None) -> VectorStore:
        """Open the store at `folder`, or make it there for vectors of the models of `like`.

        Raises:
            CheckpointError: there is one of other models, or of another codec.
            ConfigError: the folder holds something else, or cannot be written.
        """
        place, models = Path(folder), {name: getattr(like, name) for name in MODELS}
        chosen = codec or FloatCodec()
        written = {"name": type(chosen).__name__, "settings": chosen.settings()}
        if not (place / "store.json").is_file():
            found = list(place.iterdir()) if place.is_dir() else []
            others = [each for each in found if each.name not in MADE_FIRST and not unfinished(each)]
            if others:
                raise ConfigError(f"{place} holds something that is no store; choose another folder")
            with writing(f"the store {place}", "choose another folder"):
                (place / "shards").mkdir(parents=True, exist_ok=True)
                about = {"version": VERSION, "models": models, "codec": written}
                write_text_atomically(place / "store.json", json.dumps(about, indent=1) + "\n")
        store = cls(place)
        read_learned(place, store.codec)
        if not store.codec.fitted and chosen.fitted and type(chosen) is type(store.codec):
            store.codec.set_learned(chosen.learned())  # it learned before, from vectors of the caller's choice
        differ = [name for name in MODELS if store.models[name] != models[name]]
        if differ:
            raise CheckpointError(
                f"the store {place} holds vectors of another {' and '.join(differ)} ({str(store.models[differ[0]])[:12]}, not "
                f"{str(models[differ[0]])[:12]}): vectors are made by one ARC-Encoder for one decoder; choose another folder"
            )
        if codec is not None and (type(store.codec) is not type(codec) or store.codec.settings() != codec.settings()):
            raise CheckpointError(
                f"the store {place} keeps its vectors by {type(store.codec).__name__} {store.codec.settings()}"
            )
        return store

    def close(self) -> None:
        """Let go of all files."""
        self.shards.close()
        self.index.close()

    def __len__(self) -> int:
        return len(self.index)

    def __contains__(self, id: str) -> bool:
        return id in self.index

    def __getitem__(self, id: str) -> CompressedContext:
        return self.get([id])[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self.index.ids())

    def add(self, documents: Mapping[str, CompressedContext], texts: Mapping[str, str] | None = None) -> None:
        """Add documents, or replace those of the same id: all of them or none, in one new shard.

        A text that was kept before stays, if it is the same.

        Args:
            documents: by id. Those of the same text at the same factor share their vectors.
            texts: of those whose text is kept too.

        Raises:
            CheckpointError: vectors of other models.
            DataError: vectors of another width or that are not finite, a text that is not the document's, or nothing can
                be written.
        """
        if not documents:
            return
        check_addable(documents, texts or {}, self.models, self._width())
        rows: list[Tensor] = []
        first = 0
        places: dict[tuple[str, float | None], tuple[str | None, int, int]] = {}  # of a text: shard, row, vectors
        for context in documents.values():
            key = (context.origin.source, context.origin.factor)
            if key in places:
                continue
            same = self.index.of_source(*key)
            if same is not None and self.holds(same):
                places[key] = (same.shard, same.first, same.count)
                continue
            places[key] = (None, first, len(context))
            rows.append(context.vectors)
            first += len(context)
        fresh = self._write(torch.cat(rows)) if rows else ""
        entries = []
        earlier = self.index.find(list(documents))
        for id, context in documents.items():
            made = context.origin
            before = earlier.get(id)
            shard, row, count = places[made.source, made.factor]
            text, fidelity = (texts or {}).get(id), context.fidelity
            if before is not None and before.source == made.source:  # what was known of the same text stays known
                text = before.text if text is None else text
                fidelity = before.fidelity if fidelity is None and before.factor == made.factor else fidelity
            place = (shard or fresh, row, count)
            entries.append(Entry(id, made.source, *place, made.tokens, made.factor, text, fidelity))
        self.index.put(entries)

    def get(self, ids: Sequence[str]) -> list[CompressedContext]:
        """Documents by id, in the order asked for.

        Raises:
            DataError: an id that is not there, or a shard that is missing or damaged.
        """
        try:
            return self._contexts(self._entries(ids))
        except DataError:  # its shard may have gone in the meantime, and its vectors are in another
            self.shards.close()
            return self._contexts(self._entries(ids))

    def of_source(self, source: str, factor: float | None, *, measured: bool = False) -> CompressedContext | None:
        """The vectors of a text at a factor, under whatever id; None where there are none.

        Args:
            source: SHA-256 of the text.
            factor: pooling factor.
            measured: only vectors whose fidelity is known will do.
        """
        entry = self.index.of_source(source, factor)
        if entry is None or not self.holds(entry) or (measured and entry.fidelity is None):
            return None
        return self._context(entry)

    def text(self, id: str) -> str | None:
        """The text of a document, if it was kept."""
        return self._entries([id])[0].text

    def delete(self, ids: Sequence[str]) -> None:
        """Forget documents; `compact` gives their room back.

        Raises:
            DataError: an id that is not there; nothing is deleted then.
        """
        self._entries(ids)
        self.index.delete(ids)

    def compact(self, vectors_per_shard: int = 1_000_000) -> int:
        """Write all that is in use into new shards and remove the others; returns the bytes that were given back.

        Only one process may write meanwhile; readers that opened the store before keep reading.
        """
        before = self.shards.sizes()
        entries = list(self.index.entries())
        damaged = [name for name in sorted(self.index.shards()) if not self.shards.sound(name)]
        if damaged:
            raise DataError(
                f"{', '.join(damaged[:3])}: missing or damaged; delete its documents first; `verify` names them"
            )
        groups: list[list[Entry]] = []  # of each new shard, one entry for each text
        seen: set[tuple[str, int]] = set()
        room = 0
        for entry in entries:
            if (entry.shard, entry.first) in seen:
                continue
            seen.add((entry.shard, entry.first))
            if room <= 0:
                groups.append([])
                room = vectors_per_shard
            groups[-1].append(entry)
            room -= entry.count
        moved: dict[tuple[str, int], tuple[str, int]] = {}
        for group in groups:
            parts = [self._rows(entry) for entry in group]
            name = self.shards.write({key: torch.cat([part[key] for part in parts]) for key in parts[0]})
            firsts = itertools.accumulate((entry.count for entry in group), initial=0)
            moved.update(
                ((entry.shard, entry.first), (name, first)) for entry, first in zip(group, firsts, strict=False)
            )
        self.index.put(replace(e, shard=moved[e.shard, e.first][0], first=moved[e.shard, e.first][1]) for e in entries)
        self.shards.close()
        self.shards.remove(set(before) - self.index.shards())
        return sum(before.values()) - sum(self.shards.sizes().values())

    def verify(self) -> list[str]:
        """What is wrong with the store, a line each; nothing where all is well."""
        problems = []
        damaged = {name for name in self.index.shards() if not self.shards.sound(name)}
        for entry in self.index.entries():
            if entry.shard in damaged:
                problems.append(f"{entry.id}: its shard {entry.shard} is missing or damaged")
                continue
            try:
                vectors = self._context(entry).vectors
            except DataError as error:
                problems.append(f"{entry.id}: {error}")
                continue
            problems += faults_of(entry, vectors)
        return problems

    def holds(self, entry: Entry) -> bool:
        """Whether the shard of an entry is there."""
        return self.shards.has(entry.shard)

    def keep_texts(self, texts: Mapping[str, str]) -> None:
        """Keep the texts of documents that are there without; of those that are not, nothing is kept."""
        found = self.index.find(list(texts))
        missing = [
            entry for entry in found.values() if entry.text is None and source_digest(texts[entry.id]) == entry.source
        ]
        self.index.put(replace(entry, text=texts[entry.id]) for entry in missing)

    def _width(self) -> int | None:
        """Of the vectors that are kept; None while there are none that can be read."""
        entry = self.index.any()
        return self._context(entry).vectors.shape[1] if entry is not None and self.holds(entry) else None

    def _write(self, vectors: Tensor) -> str:
        fit_once(self.folder, self.codec, vectors)
        return self.shards.write(self.codec.encode(vectors))

    def _contexts(self, entries: Sequence[Entry]) -> list[CompressedContext]:
        read_learned(self.folder, self.codec)
        vectors = self.codec.decode_parts([self._rows(entry) for entry in entries])
        return [
            CompressedContext(
                each, Origin(entry.source, factor=entry.factor, tokens=entry.tokens, **self.models), entry.fidelity
            )
            for entry, each in zip(entries, vectors, strict=True)
        ]

    def _context(self, entry: Entry) -> CompressedContext:
        return self._contexts([entry])[0]

    def _rows(self, entry: Entry) -> dict[str, Tensor]:
        shard = self.shards.read(entry.shard)
        return {name: tensor[entry.first : entry.first + entry.count] for name, tensor in shard.items()}

    def _entries(self, ids: Sequence[str]) -> list[Entry]:
        found = self.index.find(ids)
        missing = [id for id in ids if id not in found]
        if missing:
            raise DataError(f"the store {self.folder} has no document {', '.join(map(repr, missing[:3]))}")
        return [found[id] for id in ids]
