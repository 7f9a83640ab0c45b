"""Which language models can be a frozen decoder.

Compressed vectors take the place of token embeddings, so a decoder must read embeddings; what
it predicts may depend on earlier positions only, and logits are computed at chosen positions.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from transformers import PretrainedConfig

from arc_encoder.core.errors import ConfigError

# Arguments of a model's forward pass, and why a decoder cannot do without.
NEEDED = {
    "inputs_embeds": "it reads token ids only, so that compressed vectors cannot be put among them",
    "attention_mask": "it knows no padding, so that prompts of different lengths cannot share a batch",
    "logits_to_keep": "it computes logits at all positions or none",
}
FITTING = "a decoder must be a causal language model, such as Llama, Mistral, Qwen, OLMo, Gemma, Phi or GPT-2"


def check_decoder_config(config: PretrainedConfig) -> None:
    """Refuse a configuration that no weights can make a decoder, before they are loaded.

    Raises:
        ConfigError: an encoder-decoder model, or one that reads in both directions.
    """
    if getattr(config, "is_encoder_decoder", False):
        _refuse(config.model_type, "it is an encoder-decoder model, which reads its prompt with its own encoder")
    # Models of BERT's kind serve as both; this says which.
    if hasattr(config, "add_cross_attention") and getattr(config, "is_decoder", True) is False:
        _refuse(config.model_type, "it reads in both directions (is_decoder is false in its config.json)")


def check_decoder(model: Any) -> None:
    """Refuse a model that cannot read embeddings as a causal language model does.

    Raises:
        ConfigError: names the model and what it lacks.
    """
    check_decoder_config(model.config)
    name = type(model).__name__
    arguments = set(inspect.signature(model.forward).parameters)
    for argument, reason in NEEDED.items():
        if argument not in arguments:
            _refuse(name, f"{reason} (its forward pass has no {argument})")
    if "encoder_hidden_states" in arguments and "position_ids" not in arguments:
        _refuse(name, "it is the decoder half of an encoder-decoder model")
    if "inputs_embeds" not in inspect.signature(model.prepare_inputs_for_generation).parameters:
        _refuse(name, "it generates from token ids only")
    if getattr(model, "_is_stateful", False) and _reads_padding(model):
        _refuse(name, "it reads padding, so that prompts of different lengths cannot share a batch")


@torch.no_grad()
def _reads_padding(model: Any) -> bool:
    """Whether masked positions in front change what a model with a running state predicts."""
    weight = model.get_input_embeddings().weight
    if weight.is_meta:
        return False
    padded = model.get_input_embeddings()(torch.arange(5, device=weight.device)[None])
    mask = torch.tensor([[0, 0, 1, 1, 1]], device=weight.device)
    places = {"position_ids": torch.tensor([[0, 0, 0, 1, 2]], device=weight.device)}  # as in generation
    places = places if "position_ids" in inspect.signature(model.forward).parameters else {}
    training = model.training
    model.eval()
    found, alone = (
        model(
            inputs_embeds=padded[:, cut:],
            attention_mask=mask[:, cut:],
            use_cache=False,
            **{name: value[:, cut:] for name, value in places.items()},
        ).logits[0, -1]
        for cut in (0, 2)
    )
    model.train(training)
    return bool((found - alone).float().norm() > 0.1 * alone.float().norm())  # half precision differs a little


def _refuse(name: str, reason: str) -> None:
    raise ConfigError(f"{name} cannot be a decoder: {reason}; {FITTING}")
