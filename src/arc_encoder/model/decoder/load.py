"""Loading a frozen decoder, wherever it is and in whatever layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM

from arc_encoder.core.errors import CheckpointError, ConfigError, at_least
from arc_encoder.model.checkpoint.published.origin import name_of
from arc_encoder.model.checkpoint.released.source import check_folder_exists
from arc_encoder.model.decoder.frozen_decoder import FrozenDecoder
from arc_encoder.model.decoder.support import check_decoder_config
from arc_encoder.model.language_models.downloads.library import local_path
from arc_encoder.model.language_models.grouped_attention import use_grouped_attention
from arc_encoder.model.language_models.layouts.language_model import is_foreign_folder, load_language_model
from arc_encoder.model.language_models.layouts.tokenizer import load_tokenizer
from arc_encoder.model.language_models.rotary_scaling import without_rotary_scaling

__all__ = ["FrozenDecoder", "load_decoder"]

DTYPES = ("float32", "bfloat16", "float16", "auto")


def load_decoder(
    path: str | Path,
    *,
    dtype: str = "float32",
    bos: bool = True,
    chat: bool = False,
    revision: str | None = None,
    tokenizer: str | Path | None = None,
    rope_scaling: bool = True,
    window: int | None = None,
    device: str | None = None,
    offload: bool = False,
    check_weights: bool = True,
    options: Mapping[str, Any] | None = None,
) -> FrozenDecoder:
    """Load a causal language model and its tokenizer.

    Args:
        path: folder in Hugging Face, Meta's, Mistral's or OLMo-1's layout, GGUF file, or hub name.
        dtype: weights' dtype: ``float32``, ``bfloat16``, ``float16``, or ``auto``, in which they are stored.
        bos: put BOS before each sample.
        chat: an instruct model: put its tokenizer's chat template around each sample.
        revision: hub revision.
        tokenizer: folder or hub name of its tokenizer, if it is not with the model.
        rope_scaling: False switches off the rotary scaling of models such as Llama 3.1, in front of which the
            released ARC-Encoders were not trained.
        window: most positions to use; None uses as many as the model was made for.
        device: a device of its own, such as ``cuda:1`` or ``cpu``; None computes where the ARC-Encoder does.
        offload: keep the weights in main memory while another decoder computes.
        check_weights: see `FrozenDecoder`.
        options: further keyword arguments for `AutoModelForCausalLM.from_pretrained`.

    Raises:
        CheckpointError: nothing loadable at `path`.
        ConfigError: unknown dtype, a model that cannot be a decoder, or a tokenizer that does not fit.
    """
    at_least(2, "decoder", ", or null for the model's own", window=window)
    if dtype not in DTYPES:
        raise ConfigError(f"decoder dtype {dtype!r} is unknown; choose one of {', '.join(DTYPES)}")
    kind: Any = dtype if dtype == "auto" else getattr(torch, dtype)
    check_folder_exists(path, "no decoder could be loaded from")
    name = name_of(path)
    path = local_path(path)
    try:
        if is_foreign_folder(path):
            model = load_language_model(Path(path), dtype=None if kind == "auto" else kind, **dict(options or {}))
        else:
            config = AutoConfig.from_pretrained(path, revision=revision)
            check_decoder_config(config)
            if not rope_scaling:
                without_rotary_scaling(config)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                path,
                config=config,
                output_loading_info=True,
                dtype=kind,
                revision=revision,
                use_safetensors=True,
                **dict(options or {}),
            )
            model, report = loaded
            if report["missing_keys"]:  # the library would draw them at random
                raise OSError(f"its files lack the weights {', '.join(sorted(report['missing_keys'])[:3])} …")
            model = text_model(model)
        found = load_tokenizer(path, tokenizer=tokenizer, revision=revision)
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        raise CheckpointError(
            f"no decoder could be loaded from {str(path)!r}: {error}. "
            "Expected a folder with config.json, *.safetensors and tokenizer files, or a hub name that this machine can reach (for a gated one, accept its licence on the hub and log in with `hf auth login`)"
        ) from error
    if "attn_implementation" not in (options or {}):
        use_grouped_attention(model)
    return FrozenDecoder(
        model,
        found,
        bos=bos,
        chat=chat,
        window=window,
        device=device,
        offload=offload,
        check_weights=check_weights,
        name=name,
    )


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
