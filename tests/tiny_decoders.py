"""Tiny random causal language models of every family that is tried as a frozen decoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from transformers import (
    AutoModelForCausalLM,
    GraniteConfig,
    MixtralConfig,
    OlmoeConfig,
    PretrainedConfig,
    PreTrainedModel,
)

from tests.tiny_models import DECODER_FAMILIES, ENCODER_FAMILIES, WIDTH, randomize, sized

_MORE: dict[str, Callable[[int, int], PretrainedConfig]] = {
    "granite": lambda n, w: GraniteConfig(
        **sized(n, w), embedding_multiplier=3.0, residual_multiplier=0.4, logits_scaling=2.0, attention_multiplier=0.3
    ),
    "mixtral": lambda n, w: MixtralConfig(**sized(n, w, num_local_experts=4, num_experts_per_tok=2)),
    "olmoe": lambda n, w: OlmoeConfig(**sized(n, w, num_experts=4, num_experts_per_tok=2)),
}
_NAMES = ("llama", "llama3_rope", "mistral_window", "qwen2", "qwen2_window", "qwen3", "olmo", "olmo2", "olmo3", "gemma")
_NAMES += ("gemma2", "gemma3", "phi3", "smollm3", "gpt_neox", "gpt2", "falcon")
FAMILIES = {name: {**ENCODER_FAMILIES, **DECODER_FAMILIES}[name] for name in _NAMES} | _MORE


def tiny_causal(family: str, *, layers: int = 2, seed: int = 7, experts: str | None = None) -> PreTrainedModel:
    """A random causal language model; the same arguments give the same weights.

    `experts` is how a mixture computes its experts: ``eager`` is the way that knows float64.
    """
    options = {} if experts is None else {"experts_implementation": experts}
    model = AutoModelForCausalLM.from_config(FAMILIES[family](layers, WIDTH), **options).eval()
    randomize(model, seed)
    return model


class Float64(TorchFunctionMode):
    """Whatever asks for float32 gets float64, so that norms and routers that cast lose nothing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.float:
            return args[0].double()
        swapped = [torch.float64 if value is torch.float32 else value for value in args]
        named = {key: torch.float64 if value is torch.float32 else value for key, value in (kwargs or {}).items()}
        return func(*swapped, **named)
