"""The architecture of an ARC-Encoder, as `config.json` of a saved one says it."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig


class ArcEncoderConfig(PretrainedConfig):  # type: ignore[misc]
    """Architecture of an ARC-Encoder.

    Args:
        backbone: the backbone's own configuration, as a dictionary.
        pooling: {"name": class name, "settings": constructor arguments}.
        heads: for each decoder {"projector": {"name", "settings"}, "task_tokens": bool}, and where there is
            one {"start": {"name", "settings"}}, {"gain": number}, and for a decoder that is trained too
            {"decoder_adapter": settings of `DecoderAdapter`}.
        causal: whether the encoder kept its causal mask.
        chunk_size: tokens of a chunk of a long context.
        max_chunks: largest number of chunks of a context.
        length_groups: contexts of a batch are encoded in up to so many groups of similar length.
        layer_mix: whether the encoder pools a learned mixture of its layers.
        rotary_scaling: whether a decoder ran with rotary scaling when the ARC-Encoder was trained.
    """

    model_type = "arc_encoder"

    def __init__(
        self,
        backbone: dict[str, Any] | None = None,
        pooling: dict[str, Any] | None = None,
        heads: dict[str, dict[str, Any]] | None = None,
        causal: bool = False,
        chunk_size: int = 1024,
        max_chunks: int = 32,
        length_groups: int = 16,
        layer_mix: bool = False,
        rotary_scaling: bool = True,
        **kwargs: Any,
    ) -> None:
        self.backbone = backbone or {}
        self.pooling = pooling or {}
        self.heads = heads or {}
        self.causal = causal
        self.chunk_size = chunk_size
        self.max_chunks = max_chunks
        self.length_groups = length_groups
        self.layer_mix = layer_mix
        self.rotary_scaling = rotary_scaling
        super().__init__(**kwargs)
