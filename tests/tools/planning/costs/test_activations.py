"""The predicted memory of a batch against what a real forward and backward pass allocates on the CPU."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    Olmo2Config,
    PretrainedConfig,
    Qwen3Config,
)

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.segments import TaskToken
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.decoder.load import FrozenDecoder
from arc_encoder.model.encoder.pooling import MeanPooling, Pooling
from arc_encoder.tools.planning.costs.activations import activations
from arc_encoder.tools.planning.costs.workload import Workload
from arc_encoder.tools.planning.parts import Parts
from tests.tiny_models import tiny_tokenizer

TOLERANCE = 0.15


def shape(
    kind: type[PretrainedConfig],
    width: int,
    inner: int,
    layers: int,
    heads: int,
    keys: int,
    vocabulary: int,
    **more: Any,
) -> PretrainedConfig:
    return kind(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=inner, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=keys, max_position_embeddings=4096, tie_word_embeddings=False,
        pad_token_id=None, bos_token_id=None, eos_token_id=None, **more,
    )  # fmt: skip


# encoder, decoder, batch: samples, one context each, its tokens, plain tokens, targets
SHAPES: dict[str, tuple[PretrainedConfig, PretrainedConfig, Workload]] = {
    "llama": (
        shape(LlamaConfig, 256, 688, 6, 8, 2, 4000),
        shape(LlamaConfig, 320, 1024, 5, 8, 8, 4000),
        Workload(4, 1, 200, 60, 200),
    ),
    "qwen3": (
        shape(Qwen3Config, 256, 688, 6, 8, 2, 4000, head_dim=64),
        shape(Qwen3Config, 256, 512, 8, 4, 2, 8000, head_dim=64),
        Workload(8, 1, 100, 40, 100),
    ),
    "wide": (
        shape(LlamaConfig, 512, 1024, 3, 8, 8, 4000),
        shape(LlamaConfig, 512, 2048, 4, 8, 4, 1000),
        Workload(2, 1, 400, 200, 100),
    ),
    "gemma3_olmo2": (
        shape(Gemma3TextConfig, 256, 768, 4, 4, 2, 4000, head_dim=64),
        shape(Olmo2Config, 320, 1024, 5, 8, 8, 4000),
        Workload(4, 1, 200, 60, 100),
    ),
}


def batch_for(work: Workload) -> ArcBatch:
    """Random ids in the batch's shape; one sample is shorter if it is padded."""
    count = work.samples
    contexts, text = torch.full((count,), work.context_tokens), torch.full((count,), work.plain_tokens + work.targets)
    targets = torch.zeros(count, int(text[0]), dtype=torch.bool)
    targets[:, work.plain_tokens :] = True
    if work.padded:
        contexts[0] -= 3
        text[0] -= 3
        targets[0, -3:] = False
    return ArcBatch(
        task="test",
        decoder="decoder",
        task_token=TaskToken.CONTINUE,
        sample_ids=tuple(map(str, range(count))),
        context_ids=torch.randint(3, 256, (count, work.context_tokens)),
        context_lengths=contexts,
        context_rows=torch.arange(count),
        context_positions=torch.ones(count, dtype=torch.long),
        text_ids=torch.randint(3, 256, targets.shape),
        text_lengths=text,
        target_mask=targets,
    )


def build(
    encoder: PretrainedConfig, decoder: PretrainedConfig, pooling: Pooling, mixed: bool
) -> tuple[ArcForCausalLM, Parts]:
    body = AutoModel.from_config(encoder)
    model = AutoModelForCausalLM.from_config(decoder, dtype=torch.bfloat16 if mixed else torch.float32)
    projector = {"in_dim": encoder.hidden_size, "out_dim": decoder.hidden_size, "bottleneck": 128}
    heads = {"decoder": {"projector": {"name": "MLPProjector", "settings": projector}, "task_tokens": True}}
    compressor = ArcEncoderModel.build(body, pooling, heads).train()
    frozen = FrozenDecoder(model, tiny_tokenizer())
    return ArcForCausalLM(compressor, {"decoder": frozen}), Parts(compressor, {"decoder": frozen.model})


def measured_peak(model: ArcForCausalLM, batch: ArcBatch, *, mixed: bool) -> int:
    """Most bytes allocated at one time by a pass forward and backward, gradients being there already."""
    for parameter in model.compressor.parameters():
        parameter.grad = torch.zeros_like(parameter)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = model(batch).loss
        loss.backward()

    step()
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step()
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak


def compare(
    name: str, *, mixed: bool, padded: bool, checkpointing: bool = False, pooling: Pooling | None = None
) -> float:
    """Predicted ÷ measured peak of one of `SHAPES`."""
    encoder, decoder, work = SHAPES[name]
    work = Workload(work.samples, 1, work.context_tokens, work.plain_tokens, work.targets, padded)
    torch.manual_seed(0)
    model, parts = build(encoder, decoder, pooling or MeanPooling(4), mixed)
    if checkpointing:
        parts.compressor.encoder.backbone.gradient_checkpointing_enable()
        parts.decoders["decoder"].gradient_checkpointing_enable()
        parts.decoders["decoder"].train()  # without dropout this changes nothing else
    predicted = activations(parts, "decoder", work, compute=2 if mixed else 4, checkpointing=checkpointing).peak
    measured = measured_peak(model, batch_for(work), mixed=mixed)
    print(f"{name}: predicted {predicted / 1e6:.1f} MB, measured {measured / 1e6:.1f} MB, {predicted / measured:.3f}")
    return predicted / measured


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("mixed", [False, True], ids=["float32", "mixed"])
@pytest.mark.parametrize("padded", [False, True], ids=["even", "padded"])
def test_prediction_is_what_is_allocated(name: str, mixed: bool, padded: bool) -> None:
    assert compare(name, mixed=mixed, padded=padded) == pytest.approx(1, abs=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("mixed", [False, True], ids=["float32", "mixed"])
def test_prediction_with_checkpointing(name: str, mixed: bool) -> None:
    assert compare(name, mixed=mixed, padded=True, checkpointing=True) == pytest.approx(1, abs=TOLERANCE)


@pytest.mark.slow
def test_prediction_with_a_schedule() -> None:
    assert compare("llama", mixed=True, padded=True, pooling=MeanPooling(8, [2, 2, 2])) == pytest.approx(
        1, abs=TOLERANCE
    )
