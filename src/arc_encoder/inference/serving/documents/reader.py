"""Documents of a request → what takes their place in the prompt: vectors, or text where the request asks for it.

Text is compressed, an id is looked up in the store, vectors that a client sends are held against the models.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from arc_encoder.core.errors import ArcError
from arc_encoder.data.batching.collator import DecoderText
from arc_encoder.data.batching.tokens import text_ids
from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.inference.encoding.encode import factor_within
from arc_encoder.inference.serving.documents.encoder_queue import EncoderQueue
from arc_encoder.inference.serving.documents.vectors_file import from_base64
from arc_encoder.inference.serving.prompts.prompt import Document
from arc_encoder.inference.serving.protocol.errors import ApiError, not_found, refused
from arc_encoder.inference.serving.protocol.limits import Limits
from arc_encoder.inference.serving.protocol.schemas import DocumentSource
from arc_encoder.inference.storage.store import VectorStore

READS = 4  # of a document that is there and cannot be read, in a store that others write to
READ_SECONDS = 0.02  # between two of them


class DocumentReader:
    """Makes documents of what clients send.

    Args:
        store: where ids are looked up; None knows no id.
    """

    def __init__(
        self, encoder: EncoderQueue, decoder: DecoderText, limits: Limits, store: VectorStore | None = None
    ) -> None:
        self.encoder, self.decoder, self.limits, self.store = encoder, decoder, limits, store
        self.compressor = encoder.compressor
        # SHA-256 samples of all weights: they do not change while a gateway runs.
        self.models: dict[str, Any] = {
            "encoder": self.compressor.fingerprint,
            "decoder": self.compressor.decoder_fingerprint,
            "decoder_name": self.compressor.decoder_name,
        }
        self.width = self.compressor.model.head(self.compressor.decoder_name).projector.out_dim
        self._lookups = ThreadPoolExecutor(1, thread_name_prefix="store")  # SQLite and shards: one at a time

    async def count(self) -> int:
        """Documents in the store."""
        return (
            0
            if self.store is None
            else await asyncio.get_running_loop().run_in_executor(self._lookups, len, self.store)
        )

    def close(self) -> None:
        """Let go of the store."""
        self._lookups.shutdown()
        if self.store is not None:
            self.store.close()

    async def read(
        self, sources: Sequence[DocumentSource], *, factor: float | None, max_vectors: int | None, read: str = "vectors"
    ) -> list[Document]:
        """The documents of a request, in order.

        Args:
            factor: pooling factor of what is compressed now; None for the trained one.
            read: vectors; text; or truncated, the text cut to as many tokens as its vectors take positions.

        Raises:
            ApiError: one that cannot be read.
        """
        if len(sources) > self.limits.max_documents:
            raise refused(
                f"{len(sources)} documents were given, but at most {self.limits.max_documents} are read",
                param="documents",
            )
        if factor is not None and max_vectors is not None:
            raise refused("factor and max_vectors were both given; a budget chooses the factor", param="max_vectors")
        try:
            found = [await self._found(number, source) for number, source in enumerate(sources)]
            if read == "text":
                return [Document(await self._text(number, source)) for number, source in enumerate(sources)]
            if max_vectors is not None:
                factor = await asyncio.to_thread(self._factor, found, max_vectors)
            made = await asyncio.gather(
                *(self.encoder.encode(each, factor) if isinstance(each, str) else _ready(each) for each in found)
            )
            if read == "truncated":
                texts = [await self._text(number, source) for number, source in enumerate(sources)]
                cut = [self._cut(text, len(vectors)) for text, vectors in zip(texts, made, strict=True)]
                return [Document(each) for each in cut]
        except ArcError as error:
            raise refused(str(error), param="documents") from error
        return [Document(each) for each in made]

    async def _found(self, number: int, source: DocumentSource) -> str | CompressedContext:
        """Vectors where there are any already, or else a text that can be compressed."""
        if source.id is not None:
            return await asyncio.get_running_loop().run_in_executor(self._lookups, self._kept, source.id)
        if source.safetensors is not None:
            context = await asyncio.to_thread(from_base64, source.safetensors, width=self.width)
            context.check(**self.models)
            return context
        text = str(source.text)
        if len(text) > self.limits.max_document_chars:
            raise refused(
                f"document {number} has {len(text)} characters, but at most {self.limits.max_document_chars} are read; "
                "cut it into several",
                param="documents",
                code="document_too_long",
            )
        problems = await asyncio.to_thread(self.compressor.problems, [text])
        if problems:
            raise refused(f"document {number} {problems[0]}", param="documents", code="document_unreadable")
        return text

    def _kept(self, id: str) -> CompressedContext:
        if self.store is None:
            raise not_found(
                "this gateway has no store, so documents have no ids; send the text",
                param="documents",
                code="no_store",
            )
        problem: ArcError | None = None
        for _ in range(READS):
            try:
                context = self.store[id]
                # A copy: a shard's memory map would outlive its file when the store is compacted.
                return CompressedContext(context.vectors.clone(), context.origin, context.fidelity)
            except ArcError as error:  # whose message names folders of the server
                if id not in self.store:  # never there, or deleted in this moment
                    raise _unknown(id) from error
                problem = error
            time.sleep(READ_SECONDS)  # deleted, its shard removed, and added again since
        message = f"the vectors of document {id!r} cannot be read from the store"
        raise ApiError(500, message, kind="server_error", code="store_damaged") from problem

    async def _text(self, number: int, source: DocumentSource) -> str:
        if source.text is not None:
            return source.text
        text = None
        if source.id is not None and self.store is not None:
            try:
                text = await asyncio.get_running_loop().run_in_executor(self._lookups, self.store.text, source.id)
            except ArcError as error:
                raise _unknown(source.id) from error
        if text is None:
            raise refused(f"document {number} has no text that could be read; only its vectors are here", param="read")
        return text

    def _factor(self, found: Sequence[str | CompressedContext], max_vectors: int) -> float | None:
        texts = [each for each in found if isinstance(each, str)]
        taken = sum(len(each) for each in found if isinstance(each, CompressedContext))
        if not texts and taken <= max_vectors:
            return None
        if taken + len(texts) > max_vectors:
            raise refused(
                f"max_vectors={max_vectors} is too small: the documents that were compressed before take {taken} already",
                param="max_vectors",
            )
        lengths = [len(text_ids(text, self.compressor.tokenizer)) for text in texts]
        extra = self.compressor.model.head(self.compressor.decoder_name).extra_vectors()
        return factor_within(self.compressor.model, lengths, max_vectors - taken, extra=extra)

    def _cut(self, text: str, positions: int) -> str:
        ids = text_ids(text, self.decoder.tokenizer)
        return text if len(ids) <= positions else str(self.decoder.tokenizer.decode(ids[:positions]))


def _unknown(id: str) -> ApiError:
    return not_found(
        f"document {id!r} is not in the store of this gateway", param="documents", code="document_not_found"
    )


async def _ready(context: CompressedContext) -> CompressedContext:
    return context
