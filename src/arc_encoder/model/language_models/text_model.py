"""The language model inside a model that also reads images or sound, such as Gemma 3 4B."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForCausalLM

from arc_encoder.core.errors import ConfigError


def text_model(model: Any) -> Any:
    """A causal language model of the same weights that reads text alone; `model` itself if it is one.

    Such models cannot generate from embeddings. Their language model can, and what reads images
    takes no memory any more.

    Raises:
        ConfigError: no language model was found in it.
    """
    config = model.config.get_text_config()
    if config is model.config:
        return model
    body, head = model.get_decoder(), model.get_output_embeddings()
    try:
        with torch.device("meta"):
            found: Any = AutoModelForCausalLM.from_config(config, attn_implementation=config._attn_implementation)
    except ValueError:  # the library has no language model for such a text part
        return model
    if type(found) is type(model):
        return model
    setattr(found, found.base_model_prefix, body)
    found.set_output_embeddings(head)
    left = [name for name, tensor in [*found.named_parameters(), *found.named_buffers()] if tensor.is_meta]
    if left:
        raise ConfigError(
            f"{type(model).__name__} cannot be a decoder: the weights {', '.join(left[:3])} of its language model were "
            "not found; load the language model alone, or choose a model that reads text only"
        )
    return found.eval()
