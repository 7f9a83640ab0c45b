"""How faithful vectors are: what share of their document's tokens the decoder reads back from them.

The decoder is given the vectors, then the task token of reconstruction, then the document itself; counted are the tokens
that it ranks first, each after all the right ones before it (teacher-forced). 1 is a document that comes back whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.errors import CheckpointError, DataError, check_number
from arc_encoder.core.segments import Role, Sample, Segment, TaskToken
from arc_encoder.data.batching.collator import ArcCollator
from arc_encoder.inference.encoding.contexts import CompressedContext, source_digest
from arc_encoder.inference.encoding.encode import DocumentEncoder
from arc_encoder.model.arc_model import ArcForCausalLM


class FidelityMeter:
    """Measures contexts of one ARC-Encoder with its decoder.

    Args:
        collator: text → ids.

    Raises:
        CheckpointError: an ARC-Encoder without task tokens cannot be asked to reconstruct.
    """

    def __init__(self, arc: ArcForCausalLM, collator: ArcCollator, encoder: DocumentEncoder) -> None:
        self.arc, self.collator, self.encoder = arc, collator, encoder
        self.head = arc.compressor.head(encoder.decoder_name)
        if not self.head.task_tokens:
            raise CheckpointError(
                "fidelity is measured by reconstruction, which this ARC-Encoder has no task token for (as with chat decoders)"
            )

    @torch.no_grad()
    def measure(self, contexts: Sequence[CompressedContext], texts: Sequence[str], batch_size: int) -> list[float]:
        """The share of tokens that come back, of each document; the chunks of a long one are read back one by one.

        Raises:
            CheckpointError: a context of another compressor.
            DataError: a text that is not the context's, or one for each is not there.
        """
        check_number("batch_size", batch_size, lowest=1)
        if len(contexts) != len(texts):
            raise DataError(f"{len(contexts)} contexts and {len(texts)} texts were given; each context wants its text")
        made_by = self.encoder.fingerprint
        token = self.head.task_vector(TaskToken.RECONSTRUCT)
        chunks: list[tuple[int, str, Tensor]] = []
        for place, (context, text) in enumerate(zip(contexts, texts, strict=True)):
            context.check(
                encoder=made_by, decoder=self.encoder.decoder_fingerprint, decoder_name=self.encoder.decoder_name
            )
            if source_digest(text) != context.origin.source:
                raise DataError(f"text number {place} is not the one that its context was made of")
            first = 0
            for part, count in self.encoder.chunks(text, context.origin.factor):
                rows = context.vectors[first : first + count]
                chunks.append((place, part, torch.cat([rows.to(token), token[None]])))
                first += count
        order = sorted(range(len(chunks)), key=lambda i: len(chunks[i][1]))
        right, total = [0] * len(contexts), [0] * len(contexts)
        for start in range(0, len(order), batch_size):
            part_of_order = [chunks[i] for i in order[start : start + batch_size]]
            scores = self.arc.sample_scores(self._batch(part_of_order))
            for (place, _, _), (_, hits, count) in zip(part_of_order, scores, strict=True):
                right[place] += hits
                total[place] += count
        return [hits / max(count, 1) for hits, count in zip(right, total, strict=True)]

    def _batch(self, chunks: Sequence[tuple[int, str, Tensor]]) -> ArcBatch:
        samples = [
            Sample(f"chunk-{n}", (Segment("chunk", Role.CONTEXT), Segment(text, Role.TARGET)), TaskToken.RECONSTRUCT)
            for n, (_, text, _) in enumerate(chunks)
        ]
        batch = self.collator(samples, decoder=self.encoder.decoder_name, task="fidelity")
        return batch.with_vectors([vectors for _, _, vectors in chunks]).to(
            next(self.arc.compressor.parameters()).device
        )
