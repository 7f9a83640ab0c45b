"""What each vector of a document says: the piece of text behind it, how much of it comes back, and the nearest tokens.

Shape legend: M vectors, E decoder width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import CheckpointError
from arc_encoder.core.segments import TaskToken
from arc_encoder.data.batching.collator import ArcCollator, texts_of
from arc_encoder.data.batching.tokens import token_spans
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.inference.encoding.fidelity import FidelityMeter
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.encoder.pooling.grouping import balanced_groups

BLOCK = 64  # vectors that are compared with the vocabulary at once
Span = tuple[int, int]  # characters


@dataclass(frozen=True)
class Told:
    """What one vector says.

    Attributes:
        text: the piece of the document that it was made of; empty for a task token, and where a pooling mixes tokens.
        fidelity: share of the piece's tokens that the decoder reads back (see `inference.fidelity`); None where it
            cannot be measured.
    """

    text: str
    nearest: tuple[str, ...]
    fidelity: float | None


class Inspection:
    """Looks at vectors of one compressor with its decoder.

    Raises:
        CheckpointError: it has none.
    """

    def __init__(self, compressor: Compressor) -> None:
        if compressor.decoder is None:
            raise CheckpointError("what vectors say is seen with the decoder, which this process does not have")
        self.compressor, self.decoder = compressor, compressor.decoder
        name = compressor.decoder_name
        arc = ArcForCausalLM(compressor.model, {name: self.decoder})
        collator = ArcCollator(compressor.tokenizer, texts_of({name: self.decoder}))
        try:
            self.hits: TokenHits | None = TokenHits(arc, collator, compressor)
        except CheckpointError:  # never learned to reconstruct
            self.hits = None

    @torch.no_grad()
    def look(self, context: CompressedContext, text: str, nearest: int) -> list[Told]:
        """What each vector of a document says, in order."""
        words = self._nearest(context.vectors, nearest)
        found: list[Told] = []
        first = 0
        for chunk, count in self.compressor.chunks(text, context.origin.factor):
            spans = self._spans(chunk, count)
            rows = context.vectors[first : first + count]
            shares = [None] * count if self.hits is None or not spans else self.hits.shares(rows, chunk, spans)
            for number in range(count):
                start, end = spans[number] if spans else (0, 0)
                found.append(Told(chunk[start:end], words[first + number], shares[number]))
            first += count
        return [*found, *(Told("", each, None) for each in words[first:])]

    def _nearest(self, vectors: Tensor, count: int) -> list[tuple[str, ...]]:
        """The tokens whose embeddings point most nearly where each vector does, a block of vectors at a time."""
        table: Tensor = self.decoder.model.get_input_embeddings().weight
        lengths = torch.linalg.vector_norm(table, dim=-1, dtype=torch.float32)
        found: list[tuple[str, ...]] = []
        for block in torch.nn.functional.normalize(vectors.float(), dim=-1).split(BLOCK):
            likeness = (block.to(table) @ table.T).float() / lengths  # (BLOCK, V)
            found += [
                tuple(str(self.decoder.tokenizer.decode([each])) for each in row)
                for row in likeness.topk(count).indices.tolist()
            ]
        return found

    def _spans(self, chunk: str, count: int) -> list[Span]:
        """The characters behind each vector of a chunk; nothing where a vector has no place of its own."""
        offsets = offsets_of(chunk, self.compressor.tokenizer)
        if not self.compressor.model.encoder.pooling.contiguous or not 0 < count <= len(offsets):
            return []
        ends = balanced_groups(torch.tensor([len(offsets)]), torch.tensor([count])).ends[0].tolist()
        starts = [0, *ends[:-1]]
        return [(offsets[a][0], offsets[b - 1][1]) for a, b in zip(starts, ends, strict=True)]


class TokenHits(FidelityMeter):
    """Which tokens of a chunk the decoder reads back."""

    def shares(self, vectors: Tensor, chunk: str, spans: list[Span]) -> list[float | None]:
        """For each piece of a chunk, the share of its tokens that come back.

        Args:
            vectors: (M, E) of the chunk, no task token.
        """
        token = self.head.task_vector(TaskToken.RECONSTRUCT)
        batch = self._batch([(0, chunk, torch.cat([vectors.to(token), token[None]]))])
        right = self.arc.predict(batch).logits.argmax(-1) == batch.text_ids[batch.target_mask]
        offsets = offsets_of(chunk, self.arc.decoder(self.encoder.decoder_name).tokenizer)
        if len(offsets) != len(right):
            return [None] * len(spans)
        hits: list[list[float]] = [[] for _ in spans]
        place = 0
        for (start, _), hit in zip(offsets, right.tolist(), strict=True):
            while place < len(spans) - 1 and start >= spans[place][1]:
                place += 1
            hits[place].append(float(hit))
        return [sum(each) / len(each) if each else None for each in hits]


def offsets_of(text: str, tokenizer: PreTrainedTokenizerBase) -> list[Span]:
    """The characters of each token of a text; nothing where the tokenizer does not tell."""
    return token_spans(text, tokenizer) if tokenizer.is_fast else []
