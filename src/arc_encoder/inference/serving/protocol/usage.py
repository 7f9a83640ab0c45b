"""What a request cost: OpenAI's counts, and how much of the prompt were vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.inference.serving.prompts.prompt import Part


@dataclass(frozen=True)
class DocumentCost:
    """What the documents of a prompt cost."""

    vectors: int
    tokens: int

    @classmethod
    def of(cls, parts: Sequence[Part]) -> DocumentCost:
        """Of the compressed documents of a prompt."""
        contexts = [part for part in parts if isinstance(part, CompressedContext)]
        return cls(sum(map(len, contexts)), sum(context.origin.tokens for context in contexts))

    def usage(self, prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
        """The usage object of an answer.

        `prompt_tokens` is what the decoder reads: text and vectors. `ratio` is document tokens for each vector.
        """
        return {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
            "text_tokens": prompt_tokens - self.vectors,
            "vectors": self.vectors,
            "document_tokens": self.tokens,
            "ratio": round(self.tokens / self.vectors, 3) if self.vectors else None,
        }
