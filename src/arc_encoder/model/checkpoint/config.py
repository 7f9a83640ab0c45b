"""The architecture of an ARC-Encoder, as `config.json` of a saved one says it."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig


class ArcEncoderConfig(PretrainedConfig):
    """Architecture of an ARC-Encoder.

    Args:
        backbone: the backbone's own configuration, as a dictionary.
        pooling: {"name": class name, "settings": constructor arguments}.
        heads: for each decoder {"projector": {"name", "settings"}, "task_tokens": bool}, and where there is
            one {"start": {"name", "settings"}}, {"gain": number}, and for a decoder that is trained too
            {"decoder_adapter": settings of `DecoderAdapter`}; {"decoder": what `identity_of` says of it}.
        causal: whether the encoder kept its causal mask.
        chunk_size: tokens of a chunk of a long context.
        max_chunks: largest number of chunks of a context.
        length_buckets: contexts of a batch are encoded in at most this many buckets of similar length.
        layer_mix: whether the encoder pools a learned mixture of its layers.
        rotary_scaling: whether a decoder ran with rotary scaling when the ARC-Encoder was trained.
        origin: the named backbone that it was made from, {"name", "blocks": {block: digest}}; None if it has no name.
        left_out: blocks of the backbone that are not stored, because they were not trained.
        factors: pooling factors that it was trained at; none where it does not know.
        int8_rows: whether matrices are stored in int8 with a scale a row.
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
        length_buckets: int = 16,
        layer_mix: bool = False,
        rotary_scaling: bool = True,
        origin: dict[str, Any] | None = None,
        left_out: list[str] | None = None,
        int8_rows: bool = False,
        factors: list[float] | None = None,
        **kwargs: Any,
    ) -> None:
        self.backbone = backbone or {}
        self.pooling = pooling or {}
        self.heads = heads or {}
        self.causal = causal
        self.chunk_size = chunk_size
        self.max_chunks = max_chunks
        self.length_buckets = kwargs.pop("length_groups", length_buckets)  # its name in folders of earlier versions
        self.layer_mix = layer_mix
        self.rotary_scaling = rotary_scaling
        self.origin = origin
        self.left_out = left_out or []
        self.int8_rows = int8_rows
        self.factors = factors or []
        super().__init__(**kwargs)
