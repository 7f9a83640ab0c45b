"""Floating-point operations until the first token of an answer: the documents' encoding and the prompt's pass."""

from __future__ import annotations

from typing import Any

from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.tools.planning.costs.work import decoder_forward, encoder_forward, logits_work, projected
from arc_encoder.tools.planning.costs.workload import Workload
from arc_encoder.tools.planning.parts import Parts, count


def prefill_work(
    model: ArcForCausalLM, decoder: str, *, contexts: float, context_tokens: float, positions: float, factor: int | None
) -> tuple[float, float]:
    """Operations for one prompt, on average.

    Args:
        factor: pooling factor, None for the trained one.

    Returns:
        of encoder and projector; of the decoder.
    """
    language_model = model.decoder(decoder).model
    rows = max(1, round(positions))
    passed = sum(decoder_forward(language_model, rows)) + logits_work(language_model)
    compressor: Any = model.compressor if model.has_compressor else None
    compressor = getattr(compressor, "compressor", compressor)
    head = compressor.head(decoder) if hasattr(compressor, "head") else None
    if head is not None and head.adapter is not None:  # of baselines that change the decoder
        passed += 2 * count(head.adapter.parameters()) * rows
    if contexts == 0 or not hasattr(compressor, "encoder"):
        return 0.0, float(passed)
    parts = Parts(compressor, {decoder: language_model})
    shape = Workload(1, 1, max(1, round(context_tokens)), 0, 0, factor=factor)
    vectors = compressor.compressed_length(shape.context_tokens, factor) + compressor.head(decoder).extra_vectors()
    encoded = encoder_forward(parts, shape) + projected(compressor.head(decoder), vectors)
    return contexts * encoded, float(passed)
