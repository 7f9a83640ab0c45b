"""Which decoder an ARC-Encoder was trained in front of, so that another one is not taken for it.

What is kept is a digest of a sample of its weights, rounded to bfloat16: the same model in float32 and in bfloat16 is
the same decoder. (That no weight changes in training is proved on all of them: `FrozenDecoder.fingerprint`.)
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.decoder.load import FrozenDecoder

SAMPLED = 256  # numbers of each weight, evenly spaced
SETTINGS = ("bos", "chat")


def identity_of(decoder: FrozenDecoder) -> dict[str, Any]:
    """What `config.json` says of a decoder: its name if it has one, digest of its weights, and how its texts begin."""
    named = {} if decoder.name is None else {"name": decoder.name}
    return {
        **named,
        "weights": sampled_digest(decoder.model.named_parameters()),
        "bos": decoder.bos,
        "chat": decoder.chat,
    }


def sampled_digest(weights: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 of a sample of each of `weights`, names and shapes included, rounded to bfloat16."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights, key=lambda item: item[0]):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        flat = tensor.detach().reshape(-1)
        places = torch.linspace(0, flat.numel() - 1, min(SAMPLED, flat.numel()), dtype=torch.float64).long()
        sample = flat[places.to(flat.device)].to("cpu", torch.bfloat16)
        digest.update(sample.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def check_decoder_identity(name: str, decoder: FrozenDecoder, trained: Mapping[str, Any] | None) -> None:
    """Refuse another decoder than the one that was trained with; warn of settings that differ.

    Args:
        trained: what `identity_of` said in training; None for an ARC-Encoder that does not know.

    Raises:
        CheckpointError: its weights are others. `check_weights=false` on the decoder lets them pass with a warning.
    """
    if not trained:
        return
    differ = [
        f"{setting}={str(getattr(decoder, setting)).lower()} (trained with {str(trained[setting]).lower()})"
        for setting in SETTINGS
        if setting in trained and getattr(decoder, setting) != trained[setting]
    ]
    if differ:
        warnings.warn(
            f"decoder {name!r} is set otherwise than in this ARC-Encoder's training: {', '.join(differ)}; "
            f"set decoders.{name} as it was trained, unless you mean to compare",
            stacklevel=3,
        )
    if sampled_digest(decoder.model.named_parameters()) == trained["weights"]:
        return
    own, called = (f" ({each})" if each else "" for each in (decoder.name, trained.get("name")))
    message = (
        f"decoder {name!r}{own} has other weights than the one that this ARC-Encoder was trained in front of{called}"
    )
    if decoder.check_weights and decoder.model.dtype != torch.float16:
        raise CheckpointError(
            f"{message}: vectors are made for one decoder. Give the decoder that was trained with, train a head for this one, or load it without check_weights to use it all the same"
        )
    warnings.warn(f"{message}; answers may make no sense", stacklevel=3)
