"""Loading the encoder's backbone: a language model's body, without head and without its last layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModel,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.checkpoint.released.source import check_folder_exists
from arc_encoder.model.encoder.adapters import Adapter, NoAdapter
from arc_encoder.model.language_models.downloads.library import config_at, local_path
from arc_encoder.model.language_models.layouts.language_model import (
    is_foreign_folder,
    load_language_model,
)
from arc_encoder.model.language_models.layouts.tokenizer import load_tokenizer
from arc_encoder.model.language_models.rotary_scaling import without_rotary_scaling


@dataclass(frozen=True)
class Backbone:
    """Where the encoder's backbone comes from, and how much of it is used.

    Args:
        path: folder in Hugging Face layout, GGUF file, or hub name, of a language model.
        truncate_layers: how many of its last layers are left out (2 of 28 in the paper).
        causal: keep the causal mask (an ablation).
        revision: hub revision.
        tokenizer: folder or hub name of its tokenizer, if it is not with the model.
        rope_scaling: False switches off the rotary scaling of models such as Llama 3.2, as the method's authors did.
        adapter: small weights that are trained in the place of the backbone's own.
    """

    path: str
    truncate_layers: int = 0
    causal: bool = False
    revision: str | None = None
    tokenizer: str | None = None
    rope_scaling: bool = True
    adapter: Adapter = field(default_factory=NoAdapter)

    def config(self) -> PretrainedConfig:
        """The truncated configuration; no weight is read.

        Raises:
            CheckpointError: nothing at `path`.
            ConfigError: no layer would remain.
        """
        check_folder_exists(self.path, "no encoder backbone at")
        try:
            config: PretrainedConfig = config_at(self.path, revision=self.revision).get_text_config()
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"no encoder backbone at {self.path!r}: {error}. Expected a folder with config.json and *.safetensors, "
                "or a hub name that this machine can reach (for a gated one, accept its licence on the hub and log in with `hf auth login`)"
            ) from error
        if not self.rope_scaling:
            without_rotary_scaling(config)
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
        config, path = self.config(), local_path(self.path)
        try:
            if is_foreign_folder(path):
                layers = int(config.num_hidden_layers)
                model = load_language_model(Path(path), body=True, layers=layers, dtype=torch.float32)
            else:
                loaded: Any = AutoModel.from_pretrained(
                    path,
                    config=config,
                    output_loading_info=True,
                    dtype=torch.float32,
                    revision=self.revision,
                    use_safetensors=True,
                )
                model, report = loaded
                if report["missing_keys"]:  # the library would draw them at random
                    raise OSError(f"its files lack the weights {', '.join(sorted(report['missing_keys'])[:3])} …")
            tokenizer = load_tokenizer(path, tokenizer=self.tokenizer, revision=self.revision)
        except (OSError, ValueError, ImportError, SafetensorError) as error:
            raise CheckpointError(f"the encoder backbone at {self.path!r} cannot be loaded: {error}") from error
        return model, tokenizer
