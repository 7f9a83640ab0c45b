"""LlamaIndex: a retriever over a store, and a query engine that answers from the vectors of what was retrieved.

A document of the store is one node, of the same id. Needs the extra `llama-index`.
"""

from __future__ import annotations

from typing import Any

from arc_encoder.core.errors import ConfigError
from arc_encoder.inference import Compressor
from arc_encoder.inference.fallback.policies import Fallback
from arc_encoder.inference.storage.retrieval import Found, StoreSearch, answer_from, that_fit

try:
    from llama_index.core.base.response.schema import Response
    from llama_index.core.query_engine import CustomQueryEngine
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
except ImportError as missing:
    raise ConfigError("LlamaIndex is missing; install it with: pip install 'arc-encoder[llama-index]'") from missing


class ArcRetriever(BaseRetriever):
    """Documents of a store that have something in common with a question.

    Args:
        search: over the store.
        k: most documents.
    """

    def __init__(self, search: StoreSearch, k: int = 3) -> None:
        self.search, self.k = search, k
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [as_node(found) for found in self.search.search(query_bundle.query_str, self.k)]


class ArcQueryEngine(CustomQueryEngine):
    """Answers a question from the vectors of the best documents of a store.

    Attributes:
        retriever: an `ArcRetriever`.
        compressor: with its decoder.
        max_new_tokens: longest answer, in decoder tokens.
        fallback: what takes the place of documents whose vectors may have lost the answer.
    """

    retriever: Any
    compressor: Any
    max_new_tokens: int = 32
    fallback: Any = None

    def custom_query(self, query_str: str) -> Response:
        """Answer one question; without a document the answer is empty."""
        compressor: Compressor = self.compressor
        fallback: Fallback | None = self.fallback
        nodes = self.retriever.retrieve(query_str)
        if not nodes:
            return Response(response="", source_nodes=[])
        found = self.retriever.search.found([node.node.node_id for node in nodes])
        found = that_fit(compressor, found, query_str, max_new_tokens=self.max_new_tokens)
        answer = answer_from(compressor, found, query_str, max_new_tokens=self.max_new_tokens, fallback=fallback)
        return Response(response=answer, source_nodes=nodes[: len(found)])


def as_node(found: Found) -> NodeWithScore:
    """A document of the store as LlamaIndex's."""
    context = found.context
    metadata = {"positions": len(context), "ratio": context.ratio, "sha256": context.origin.source}
    return NodeWithScore(node=TextNode(id_=found.id, text=found.text, metadata=metadata))
