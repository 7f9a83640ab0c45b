"""The shape of a transformer as Meta's and Mistral's `params.json` give it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import LlamaConfig, MistralConfig, PretrainedConfig

from arc_encoder.core.errors import CheckpointError

WINDOW = 131_072  # positions; params.json does not say, and nothing is sized by it


@dataclass(frozen=True)
class TransformerShape:
    """Sizes of a Llama or Mistral transformer."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    vocabulary: int
    norm_eps: float
    rope_theta: float
    mistral: bool = False

    @classmethod
    def from_params(cls, params: Mapping[str, Any], source: str) -> TransformerShape:
        """Read the entries of a params.json.

        Where only `multiple_of` is given, the feed-forward width is two thirds of 4 · dim, times
        `ffn_dim_multiplier`, rounded up. Default theta: 10⁴ for Llama, 10⁶ for Mistral. Rotary
        scaling is ignored, as the released models were trained without.

        Raises:
            CheckpointError: entries are missing; all are named.
        """
        missing = [key for key in ("dim", "n_layers", "n_heads", "vocab_size") if key not in params]
        if missing:
            raise CheckpointError(
                f"{source} does not say {', '.join(missing)} of the transformer (it has: {', '.join(params) or 'nothing'})"
            )
        width, heads = int(params["dim"]), int(params["n_heads"])
        mistral = "hidden_dim" in params
        return cls(
            width=width,
            layers=int(params["n_layers"]),
            heads=heads,
            kv_heads=int(params.get("n_kv_heads") or heads),
            head_dim=int(params.get("head_dim") or width // heads),
            feed_forward=int(params["hidden_dim"]) if mistral else _feed_forward(width, params),
            vocabulary=int(params["vocab_size"]),
            norm_eps=float(params.get("norm_eps", 1e-5)),
            rope_theta=float(params.get("rope_theta") or (1e6 if mistral else 1e4)),
            mistral=mistral,
        )

    def config(self, layers: int | None = None, *, mistral: bool = False) -> PretrainedConfig:
        """The Hugging Face configuration of a Llama (or of a Mistral), with `layers` layers instead of all."""
        kind = MistralConfig if mistral else LlamaConfig
        more: dict[str, Any] = {"sliding_window": None} if mistral else {}
        return kind(
            vocab_size=self.vocabulary,
            hidden_size=self.width,
            intermediate_size=self.feed_forward,
            num_hidden_layers=self.layers if layers is None else layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            head_dim=self.head_dim,
            rms_norm_eps=self.norm_eps,
            max_position_embeddings=WINDOW,
            rope_parameters={"rope_type": "default", "rope_theta": self.rope_theta},
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=None,
            **more,
        )


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        CheckpointError: missing, broken, or no object.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{file} holds {type(content).__name__}, expected an object")
    return content


def _feed_forward(width: int, params: Mapping[str, Any]) -> int:
    size = int(8 * width / 3)
    multiplier, multiple = params.get("ffn_dim_multiplier"), int(params.get("multiple_of", 256))
    if multiplier is not None:
        size = int(float(multiplier) * size)
    return multiple * -(-size // multiple)
