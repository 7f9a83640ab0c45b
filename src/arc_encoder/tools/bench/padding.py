"""How much of what encoder and decoder compute is padding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from arc_encoder.core.batch import ArcBatch
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.encoder.length_buckets import bucket_count, padded_tokens


@dataclass
class Padding:
    """Real positions and computed ones, summed over batches.

    Attributes:
        encoder_tokens, encoder_slots: of chunks of contexts, in the groups in which they are encoded.
        decoder_positions, decoder_slots: of merged sequences, vectors and task tokens included.
    """

    encoder_tokens: int = 0
    encoder_slots: int = 0
    decoder_positions: int = 0
    decoder_slots: int = 0

    @property
    def encoder_waste(self) -> float:
        """Share of the encoder's slots that is padding."""
        return 1 - self.encoder_tokens / max(1, self.encoder_slots)

    @property
    def decoder_waste(self) -> float:
        """Share of the decoder's slots that is padding."""
        return 1 - self.decoder_positions / max(1, self.decoder_slots)


def padding_of(batches: Iterable[ArcBatch], compressor: ArcEncoderModel) -> Padding:
    """Padding of `batches`, by the rules with which `compressor` cuts, groups and pools; nothing is computed."""
    total = Padding()
    for batch in batches:
        chunks = compressor.chunking.cut(batch.context_ids, batch.context_lengths)
        lengths = chunks.lengths.tolist()
        total.encoder_tokens += sum(lengths)
        total.encoder_slots += padded_tokens(lengths, bucket_count(lengths, compressor.config.length_buckets))
        extra = compressor.head(batch.decoder).extra_vectors()
        positions = batch.text_lengths.tolist()
        for row, length in zip(batch.context_rows.tolist(), batch.context_lengths.tolist(), strict=True):
            positions[row] += compressor.compressed_length(length, batch.factor) + extra
        total.decoder_positions += sum(positions)
        total.decoder_slots += len(positions) * max(positions)
    return total
