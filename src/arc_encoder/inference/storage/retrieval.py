"""Finding documents of a store by a question: id, text and vectors of each stay together."""

from __future__ import annotations

import hashlib
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from filelock import FileLock

from arc_encoder.core.atomic import atomic_directory
from arc_encoder.core.errors import DataError, check_number
from arc_encoder.data.prompts import DOCUMENT, SEPARATOR, asked
from arc_encoder.data.retrieval import Retriever
from arc_encoder.inference import CompressedContext, Compressor, Context
from arc_encoder.inference.fallback.policies import Fallback
from arc_encoder.inference.storage.store import VectorStore

FOLDER = "retrieval"
ROOM = 64  # positions for a chat template and the like


@dataclass(frozen=True)
class Found:
    """A document that was found."""

    id: str
    text: str
    context: CompressedContext

    def as_context(self) -> Context:
        """A part of a prompt that knows its text, for a fallback that reads it."""
        return Context(self.id, _Held(self))


class _Held:
    """What was found, as a store of one document."""

    def __init__(self, found: Found) -> None:
        self.found = found

    def __getitem__(self, id: str) -> CompressedContext:
        return self.found.context

    def text(self, id: str) -> str:
        """The document's text."""
        return self.found.text


class StoreSearch:
    """Documents of a store whose text was kept, by what a question has in common with them.

    The index is kept in the store's folder `retrieval`. It is built once, and rebuilt when documents were added or changed.

    Args:
        store: whose documents are searched.
        retriever: how, such as `Bm25`.

    Raises:
        DataError: the store keeps no texts.
    """

    def __init__(self, store: VectorStore, retriever: Retriever) -> None:
        self.store, self.retriever = store, retriever
        entries = [entry for entry in store.index.entries() if entry.text is not None]
        if not entries:
            raise DataError(
                f"the store {store.folder} keeps no texts to search in; compress again and keep them",
                advice="keep-text",
            )
        self.ids = [entry.id for entry in entries]
        texts = [str(entry.text) for entry in entries]
        stamp = hashlib.sha256(repr(sorted(retriever.settings().items())).encode())
        own = stamp.hexdigest()[:8]  # indexes of other retrievers stay
        for entry in entries:
            stamp.update(f"\n{entry.id}\0{entry.source}".encode())
        folder = store.folder / FOLDER / f"{own}-{stamp.hexdigest()[:32]}"
        folder.parent.mkdir(exist_ok=True)
        with FileLock(folder.parent / ".lock"):  # several may ask at once
            if not folder.is_dir():
                with atomic_directory(folder) as fresh:
                    fresh.mkdir(exist_ok=True)
                    retriever.build(texts, fresh)
                for other in folder.parent.iterdir():  # of documents as they were before
                    if other.is_dir() and other != folder and other.name.startswith(f"{own}-"):
                        shutil.rmtree(other)
            retriever.store = texts
            retriever.load(folder)

    def search(self, question: str, top: int = 3) -> list[Found]:
        """The best documents for a question, best first; none that has nothing in common with it.

        Raises:
            DataError: a blank question.
            ConfigError: fewer than one document is wanted.
        """
        if not question.strip():
            raise DataError("the question is blank")
        check_number("top", top, lowest=1)
        (numbers,) = self.retriever.find([question], top)
        return self.found([self.ids[number] for number in numbers])

    def found(self, ids: Sequence[str]) -> list[Found]:
        """Documents by id, with text and vectors.

        Raises:
            DataError: an id that is not there.
        """
        return [
            Found(id, str(self.store.text(id)), context) for id, context in zip(ids, self.store.get(ids), strict=True)
        ]


def that_fit(compressor: Compressor, found: Sequence[Found], question: str, *, max_new_tokens: int = 32) -> list[Found]:
    """As many of the documents as fit the decoder's window together, best first; a warning names the others.

    At least the best one, which `generate` refuses if it is too long by itself.
    """
    decoder = compressor.decoder
    if decoder is None or decoder.window is None:
        return list(found)
    words = len(decoder.token_ids(DOCUMENT + SEPARATOR))  # around each document
    left = decoder.window - max_new_tokens - len(decoder.token_ids(asked(question))) - ROOM
    kept: list[Found] = []
    for each in found:
        left -= len(each.context) + words
        if left < 0 and kept:
            break
        kept.append(each)
    if len(kept) < len(found):
        others = ", ".join(each.id for each in found[len(kept) :])
        warnings.warn(
            f"{len(kept)} of {len(found)} documents fit the decoder's window of {decoder.window} positions; not read: {others}",
            stacklevel=2,
        )
    return kept


def answer_from(
    compressor: Compressor,
    found: Sequence[Found],
    question: str,
    *,
    max_new_tokens: int = 32,
    fallback: Fallback | None = None,
) -> str:
    """The decoder's answer to a question from the vectors of documents, the best of which comes next to the question."""
    prompt: list[str | Context | CompressedContext] = []
    for each in reversed(that_fit(compressor, found, question, max_new_tokens=max_new_tokens)):
        prompt += [f"{SEPARATOR}{DOCUMENT}" if prompt else DOCUMENT, each.as_context()]
    (answer,) = compressor.generate(
        [[*prompt, asked(question)]], stop="\n", max_new_tokens=max_new_tokens, fallback=fallback
    )
    return answer.strip()


def ask_store(
    compressor: Compressor,
    store: VectorStore,
    retriever: Retriever,
    question: str,
    *,
    top: int = 3,
    max_new_tokens: int = 32,
    fallback: Fallback | None = None,
) -> tuple[str, list[Found]]:
    """An answer from the best documents of a store, and these documents, best first.

    Raises:
        DataError: no document has anything in common with the question, or the store keeps no texts.
    """
    found = StoreSearch(store, retriever).search(question, top)
    if not found:
        raise DataError(f"no document of {store.folder} has a word in common with {question!r}")
    read = that_fit(compressor, found, question, max_new_tokens=max_new_tokens)
    return answer_from(compressor, read, question, max_new_tokens=max_new_tokens, fallback=fallback), read
