"""Operations until the first token of an answer."""

from __future__ import annotations

from typing import Any

from arc_encoder.model.heads.decoder_adapter import DecoderAdapter, DecoderLora
from arc_encoder.tools.planning.costs.work import prefill_work
from tests.tiny_models import tiny_arc_model


def test_changes_to_the_decoder_are_counted() -> None:
    model = tiny_arc_model()
    asked: dict[str, Any] = {"contexts": 2, "context_tokens": 20, "positions": 30, "factor": None}
    encoder, decoder = prefill_work(model, "decoder", **asked)
    language_model = model.decoder("decoder").model
    adapter = DecoderAdapter(**DecoderLora(rank=3).settings_for(language_model))
    model.compressor.head("decoder").adapter = adapter
    assert model.decoder_modified
    more = 2 * 30 * sum(p.numel() for p in adapter.parameters())
    assert prefill_work(model, "decoder", **asked) == (encoder, decoder + more)
    text = prefill_work(model, "decoder", **{**asked, "contexts": 0})
    assert text == (0.0, decoder + more)
