"""LangChain: a retriever over a store, and a reader that answers from the vectors of what was retrieved.

A document of the store is one LangChain document, of the same id. Needs the extra `langchain`.
"""

from __future__ import annotations

from typing import Any

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.inference import Compressor
from arc_encoder.inference.fallback.policies import Fallback
from arc_encoder.inference.storage.retrieval import Found, StoreSearch, answer_from

try:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables import Runnable, RunnableConfig, RunnableParallel, RunnablePassthrough
except ImportError as missing:
    raise ConfigError("LangChain is missing; install it with: pip install 'arc-encoder[langchain]'") from missing


class ArcRetriever(BaseRetriever):
    """Documents of a store that have something in common with a question.

    Attributes:
        search: over the store.
        k: most documents.
    """

    search: Any
    k: int = 3

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [as_document(found) for found in self.search.search(query, self.k)]


class ArcReader(Runnable[dict[str, Any], str]):
    """{"question": …, "context": documents of an `ArcRetriever`, best first} → the answer, read from their vectors.

    Args:
        compressor: with its decoder.
        search: over the store that the documents come from.
        max_new_tokens: longest answer, in decoder tokens.
        fallback: what takes the place of documents whose vectors may have lost the answer.
    """

    def __init__(
        self, compressor: Compressor, search: StoreSearch, *, max_new_tokens: int = 32, fallback: Fallback | None = None
    ) -> None:
        self.compressor, self.search = compressor, search
        self.max_new_tokens, self.fallback = max_new_tokens, fallback

    def invoke(self, input: dict[str, Any], config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """Answer one question.

        Raises:
            DataError: the question or the documents are missing, or a document has no id of the store.
        """
        if not isinstance(input, dict) or not {"question", "context"} <= input.keys():
            raise DataError(f'expected {{"question": …, "context": [documents]}}, but got {input!r:.120}')
        ids = [document.id for document in input["context"]]
        if None in ids:
            raise DataError(
                "a document has no id; the reader takes documents of an ArcRetriever, whose ids the store knows"
            )
        if not ids:
            raise DataError(f"no document was found for {input['question']!r}; there is nothing to read")
        return answer_from(
            self.compressor,
            self.search.found(ids),
            str(input["question"]),
            max_new_tokens=self.max_new_tokens,
            fallback=self.fallback,
        )


def answering_chain(compressor: Compressor, search: StoreSearch, *, k: int = 3, **options: Any) -> Runnable[str, Any]:
    """A question → {"question", "context", "answer"}.

    Args:
        compressor: with its decoder.
        search: over a store whose texts were kept.
        k: most documents.
        options: see `ArcReader`.
    """
    retriever = ArcRetriever(search=search, k=k)
    found: Any = RunnableParallel({"question": RunnablePassthrough(), "context": retriever})
    return found | RunnablePassthrough.assign(answer=ArcReader(compressor, search, **options))


def as_document(found: Found) -> Document:
    """A document of the store as LangChain's."""
    context = found.context
    metadata = {"positions": len(context), "ratio": context.ratio, "sha256": context.origin.source}
    return Document(id=found.id, page_content=found.text, metadata=metadata)
