"""Llama 3's scaling is recognised by its divisors; another one is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.language_models.gguf.reader import GgufFile
from arc_encoder.model.language_models.gguf.rotary import llama_3_divisors, rotary
from tests.tiny_gguf import LLAMA_3, model_of, write_gguf


@pytest.mark.parametrize(("factor", "width"), [(8.0, 128), (32.0, 64)])
def test_divisors_are_the_librarys(factor: float, width: int) -> None:
    rope = {**LLAMA_3, "factor": factor}
    config = LlamaConfig(hidden_size=4 * width, num_attention_heads=4, rope_parameters=rope)
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    plain = 500000.0 ** (-torch.arange(0, width, 2) / width)
    torch.testing.assert_close(llama_3_divisors(500000.0, width, factor), plain / scaled, atol=1e-4, rtol=1e-4)


def test_divisors_of_one_are_no_scaling(tmp_path: Path) -> None:
    ones = {"rope_freqs.weight": np.ones(8, np.float32)}
    file = write_gguf(tmp_path / "m.gguf", model_of("llama"), more_tensors=ones)
    assert rotary(GgufFile(file)) == {"rope_theta": 10000.0, "rope_type": "default"}


def test_other_divisors_are_refused(tmp_path: Path) -> None:
    odd = {"rope_freqs.weight": np.linspace(1, 5, 8).astype(np.float32)}
    file = write_gguf(tmp_path / "m.gguf", model_of("llama"), more_tensors=odd)
    with pytest.raises(CheckpointError, match=r"in a way that is not Llama 3's \(rope_freqs\.weight\)"):
        rotary(GgufFile(file))


def test_yarn_is_read(tmp_path: Path) -> None:
    fields = {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 128}
    file = write_gguf(tmp_path / "m.gguf", model_of("qwen2"), "qwen2", more_fields=fields)
    assert rotary(GgufFile(file)) == {
        "rope_theta": 10000.0, "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128,
    }  # fmt: skip
