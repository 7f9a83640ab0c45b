"""The output layer computes what is asked for, and copies no weights for it."""

from __future__ import annotations

import torch
from torch.profiler import ProfilerActivity, profile

from arc_encoder.model.decoder.frozen_decoder import FrozenDecoder
from tests.tiny_decoders import tiny_causal
from tests.tiny_models import tiny_tokenizer


def test_generation_does_not_copy_the_output_layer_for_each_row() -> None:
    decoder = FrozenDecoder(tiny_causal("llama", seed=0).to(torch.bfloat16), tiny_tokenizer())
    embeddings = decoder.embed(torch.randint(3, 20, (24, 5)))
    mask = torch.ones(24, 5, dtype=torch.bool)
    head = decoder.model.get_output_embeddings()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        decoder.generate(embeddings, mask, max_new_tokens=2)
    largest = max(event.self_cpu_memory_usage for event in profiled.events())
    assert largest < 12 * head.weight.nbytes
