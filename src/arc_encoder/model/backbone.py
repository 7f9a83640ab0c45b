"""Loading the encoder's backbone: a language model's body, without head and without its last layers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from arc_encoder.errors import CheckpointError, ConfigError


@dataclass(frozen=True)
class Backbone:
    """Where the encoder's backbone comes from, and how much of it is used.

    Args:
        path: folder in Hugging Face layout, or hub name, of a language model.
        truncate_layers: how many of its last layers are left out (2 of 28 in the paper).
        causal: keep the causal mask (an ablation).
        revision: hub revision.
    """

    path: str
    truncate_layers: int = 0
    causal: bool = False
    revision: str | None = None

    def config(self) -> PretrainedConfig:
        """The truncated configuration; no weight is read.

        Raises:
            CheckpointError: nothing at `path`.
            ConfigError: no layer would remain.
        """
        try:
            config = AutoConfig.from_pretrained(self.path, revision=self.revision).get_text_config()
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"no encoder backbone at {self.path!r}: {error}. Expected a folder with config.json and *.safetensors, "
                "or a hub name that this machine can reach"
            ) from error
        layers = int(config.num_hidden_layers)
        if not 0 <= self.truncate_layers < layers:
            raise ConfigError(
                f"truncate_layers={self.truncate_layers} is not possible: {self.path!r} has {layers} layers, and one must remain"
            )
        config.num_hidden_layers = layers - self.truncate_layers
        if getattr(config, "layer_types", None):
            config.layer_types = config.layer_types[: config.num_hidden_layers]
        return config

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The body in float32 and its tokenizer.

        Raises:
            CheckpointError: weights or tokenizer cannot be read.
        """
        config = self.config()
        try:
            model = AutoModel.from_pretrained(
                self.path, config=config, dtype=torch.float32, revision=self.revision, use_safetensors=True
            )
            tokenizer = AutoTokenizer.from_pretrained(self.path, revision=self.revision)
        except (OSError, ValueError, ImportError, SafetensorError) as error:
            raise CheckpointError(f"the encoder backbone at {self.path!r} cannot be loaded: {error}") from error
        return model, tokenizer
