"""Fidelity, the probe, and what is done with documents that are at risk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torchmetrics.functional.classification import binary_auroc

from arc_encoder.core.errors import CheckpointError, ConfigError, DataError
from arc_encoder.core.segments import Role, Sample, Segment, TaskToken
from arc_encoder.inference import CompressedContext, Compressor, Context
from arc_encoder.inference.fallback.policies import LowerFactorFallback, TextFallback, known_texts
from arc_encoder.inference.fallback.probe import AnswerProbe
from arc_encoder.inference.generation.prompts import Parts
from arc_encoder.model.decoder.frozen_decoder import FrozenDecoder

TEXTS = ["a document of some length, which is read", "another one", "the third, " * 9]


def decoder_of(compressor: Compressor) -> FrozenDecoder:
    assert compressor.decoder is not None
    return compressor.decoder


def test_fidelity_is_the_share_of_tokens_that_come_back(compressor: Compressor) -> None:
    contexts = compressor.encode(TEXTS)
    measured = compressor.with_fidelity(contexts, TEXTS, batch_size=2)
    answering = compressor._answering()
    for context, text in zip(measured, TEXTS, strict=True):
        sample = Sample("s", (Segment(text, Role.CONTEXT), Segment(text, Role.TARGET)), TaskToken.RECONSTRUCT)
        batch = answering.collator([sample], decoder=compressor.decoder_name, task="t")
        # encoded again, with the task token of reconstruction
        ((_, right, count),) = answering.arc.sample_scores(batch)
        assert context.fidelity == right / count
    assert measured[0].vectors is contexts[0].vectors
    with pytest.raises(DataError, match="text number 1 is not the one"):
        compressor.with_fidelity(contexts[:2], [TEXTS[0], TEXTS[2]])


def test_long_documents_are_read_back_chunk_by_chunk(compressor: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressor.model.chunking, "size", 16)
    text = "a document of several chunks, each by itself"
    pieces = compressor.chunks(text, 2)
    assert len(pieces) > 1
    (whole,) = compressor.encode([text], factor=2)
    assert sum(count for _, count in pieces) + 1 == len(whole)
    (measured,) = compressor.with_fidelity([whole], [text])
    parts = [piece for piece, _ in pieces]
    each = compressor.with_fidelity(compressor.encode(parts, factor=2), parts)
    lengths = [len(decoder_of(compressor).token_ids(part)) for part in parts]
    expected = sum((c.fidelity or 0) * n for c, n in zip(each, lengths, strict=True)) / sum(lengths)
    assert measured.fidelity == pytest.approx(expected)


def test_fidelity_is_kept_with_the_vectors(compressor: Compressor, tmp_path: Path) -> None:
    (context,) = compressor.encode(TEXTS[:1])
    for fidelity in (None, 0.25):
        replace(context, fidelity=fidelity).save(tmp_path / "c.safetensors")
        assert CompressedContext.load(tmp_path / "c.safetensors").fidelity == fidelity


def features(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Answers that are lost where two of twenty features say so, with noise."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 20, generator=generator) * 7 + 3
    signal = (x[:, 0] - x[:, 1]) / 7
    return x, torch.rand(count, generator=generator) < torch.sigmoid(3 * signal)


def test_a_probe_learns_what_can_be_known(tmp_path: Path) -> None:
    probe = AnswerProbe.fit(*features(600, 0), encoder="e", decoder_name="d")
    x, lost = features(2000, 1)
    best = binary_auroc(x[:, 0] - x[:, 1], lost.long())
    risk = probe.risk(x)
    assert binary_auroc(risk, lost.long()) > best - 0.02
    assert abs(float(risk.mean() - lost.float().mean())) < 0.05  # probabilities, not only an order
    probe.save(tmp_path / "probe.safetensors")
    assert torch.equal(AnswerProbe.load(tmp_path / "probe.safetensors").risk(x), risk)


def test_bad_probes_are_named(compressor: Compressor, tmp_path: Path) -> None:
    x, lost = features(30, 0)
    with pytest.raises(DataError, match="there are 0 and 30"):
        AnswerProbe.fit(x, torch.zeros_like(lost), encoder="e", decoder_name="d")
    probe = AnswerProbe.fit(*features(100, 0), encoder="e" * 64, decoder_name="d")
    with pytest.raises(CheckpointError, match="knows 20 features, but there are 3"):
        probe.risk(x[:, :3])
    with pytest.raises(CheckpointError, match="trained on vectors of ARC-Encoder eeee"):
        compressor.risks([["a", Context(TEXTS[0])]], probe)
    with pytest.raises(CheckpointError, match="no probe can be read"):
        AnswerProbe.load(tmp_path / "none.safetensors")
    compressor.encode(TEXTS[:1])[0].save(tmp_path / "vectors.safetensors")
    with pytest.raises(CheckpointError, match="is no probe"):
        AnswerProbe.load(tmp_path / "vectors.safetensors")


@pytest.fixture
def probe(compressor: Compressor) -> AnswerProbe:
    """One whose risk is the share of a prompt's documents: the fewer tokens a vector stands for, the less."""
    width = decoder_of(compressor).width
    count = 5 + 2 * width
    weight = torch.zeros(count)
    weight[3] = 4.0  # tokens for each vector
    return AnswerProbe(torch.full((count,), 2.0), torch.ones(count), weight, 0.0, compressor.fingerprint, "d")


def prompts_of(compressor: Compressor, *, factor: float = 8) -> list[Parts]:
    few, many = compressor.encode(TEXTS[:1], factor=1)[0], compressor.encode(TEXTS[2:], factor=factor)[0]
    return [["a ", few, " b"], ["a ", many, " b"]]


def test_risks_are_told_before_anything_is_generated(compressor: Compressor, probe: AnswerProbe) -> None:
    together = compressor.risks(prompts_of(compressor), probe, batch_size=2)
    assert together[0] < 0.5 < together[1]
    alone = [compressor.risks([each], probe)[0] for each in prompts_of(compressor)]
    assert together == pytest.approx(alone, abs=1e-4)


def test_documents_at_risk_are_read_as_text(compressor: Compressor, probe: AnswerProbe) -> None:
    prompts = [["a ", Context(TEXTS[0]), " b"], ["a ", Context(TEXTS[2]), " b"]]
    sure = compressor.generate(prompts, factor=8, max_new_tokens=8)
    text = compressor.generate([["a ", TEXTS[2], " b"]], max_new_tokens=8)
    options: dict[str, Any] = {"factor": 8, "max_new_tokens": 8}
    never = compressor.generate(prompts, fallback=TextFallback(probe, threshold=1.0), **options)
    assert never == sure
    always = compressor.generate(prompts[1:], fallback=TextFallback(probe, threshold=0.0), **options)
    assert always == text
    tight = TextFallback(probe, threshold=0.0, max_positions=len(TEXTS[2]) // 4)
    assert compressor.generate(prompts[1:], fallback=tight, **options) == sure[1:]
    (kept,) = compressor.encode(TEXTS[2:], factor=8)  # whose text nobody knows
    assert (
        compressor.generate([["a ", kept, " b"]], fallback=TextFallback(probe, threshold=0.0), max_new_tokens=8)
        == sure[1:]
    )
    asked = compressor.ask(TEXTS[2], ["what?"], fallback=TextFallback(probe, threshold=0.0), **options)
    plain = ["Document: ", TEXTS[2], "\nQuestion: what?\nAnswer:"]
    assert asked == compressor.generate([plain], stop="\n", max_new_tokens=8)


def test_documents_at_risk_are_compressed_less(compressor: Compressor, probe: AnswerProbe) -> None:
    prompts = [["a ", Context(TEXTS[2]), " b"]]
    less = compressor.generate(prompts, factor=2, max_new_tokens=8)
    fallback = LowerFactorFallback(2, probe, threshold=0.0)
    assert compressor.generate(prompts, factor=8, fallback=fallback, max_new_tokens=8) == less
    assert compressor.generate(prompts, factor=2, fallback=fallback, max_new_tokens=8) == less


def test_without_a_probe_the_least_faithful_document_goes_first(compressor: Compressor) -> None:
    contexts = [
        replace(c, fidelity=f) for c, f in zip(compressor.encode(TEXTS, factor=8), (0.6, 0.2, 0.4), strict=True)
    ]
    parts: Parts = ["a ", contexts[0], contexts[1], contexts[2]]
    texts = known_texts([[Context(text) for text in TEXTS]])
    (found,) = TextFallback(threshold=0.5).apply(compressor, [parts], texts)
    assert found == ["a ", contexts[0], TEXTS[1], TEXTS[2]]
    budget = sum(map(len, contexts)) - len(contexts[1]) + compressor.positions(TEXTS[1])
    (found,) = TextFallback(threshold=0.5, max_positions=budget).apply(compressor, [parts], texts)
    assert found == ["a ", contexts[0], TEXTS[1], contexts[2]]
    with pytest.raises(ConfigError, match="fidelity of a document was not measured"):
        compressor.generate([["a", Context(TEXTS[0])]], fallback=TextFallback())


@pytest.mark.parametrize("options", [{"threshold": 2}, {"max_positions": 0}, {"threshold": True}])
def test_settings_of_fallbacks_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="fallback"):
        TextFallback(**options)


def test_a_fidelity_that_was_not_measured_says_nothing(compressor: Compressor, probe: AnswerProbe) -> None:
    (context,) = compressor.encode(TEXTS[2:])
    probe.weight[4] = -50.0  # fidelity
    probe.mean[4] = 0.3
    known = compressor.risks([["a", replace(context, fidelity=0.3)]], probe)
    assert compressor.risks([["a", context]], probe) == pytest.approx(known)


def test_a_text_that_does_not_fit_the_window_is_not_taken(compressor: Compressor, probe: AnswerProbe) -> None:
    window = decoder_of(compressor).window or 0
    text = "x" * (window + 10)
    prompts = [["a ", Context(text), " b"]]
    sure = compressor.generate(prompts, factor=8, max_new_tokens=8)
    fallback = TextFallback(probe, threshold=0.0)
    assert compressor.generate(prompts, factor=8, fallback=fallback, max_new_tokens=8) == sure


def test_bad_calls_are_named(compressor: Compressor, probe: AnswerProbe) -> None:
    contexts = compressor.encode(TEXTS)
    with pytest.raises(DataError, match="3 contexts and 1 texts"):
        compressor.with_fidelity(contexts, TEXTS[:1])
    with pytest.raises(ConfigError, match="batch_size=0"):
        compressor.with_fidelity(contexts, TEXTS, batch_size=0)
    with pytest.raises(ConfigError, match="batch_size=0"):
        compressor.risks([["a", contexts[0]]], probe, batch_size=0)
    with pytest.raises(CheckpointError, match="another ARC-Encoder"):
        compressor.with_fidelity(
            [replace(contexts[0], origin=replace(contexts[0].origin, encoder="e" * 64))], TEXTS[:1]
        )
    assert compressor.generate([], fallback=TextFallback(probe)) == []
