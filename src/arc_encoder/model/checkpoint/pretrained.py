"""The ARC-Encoder as a Hugging Face model: encoder, pooling and every decoder's head in one folder.

Shape legend: C contexts, L context tokens, M vectors, D encoder width, E decoder width.

`save_pretrained` and `from_pretrained` are the library's own: `config.json` and
`model.safetensors` hold all that was trained, and no weight of any decoder. What of the backbone was not trained is
left out too, where the backbone has a name under which it is found again (`published/origin.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

from arc_encoder.core.atomic import readable_as_usual
from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.core.segments import TaskToken
from arc_encoder.model.checkpoint.config import ArcEncoderConfig
from arc_encoder.model.checkpoint.published.folder import stored_weights
from arc_encoder.model.checkpoint.published.origin import load_all_weights
from arc_encoder.model.checkpoint.released.load import load_checkpoint
from arc_encoder.model.checkpoint.released.source import decoder_names, released_checkpoint
from arc_encoder.model.encoder.chunking import Chunking, join_chunks
from arc_encoder.model.encoder.encoder import PoolingEncoder
from arc_encoder.model.encoder.padding.length_buckets import encode_in_buckets
from arc_encoder.model.encoder.pooling import Pooling
from arc_encoder.model.heads.decoder_adapter import DecoderAdapter
from arc_encoder.model.heads.head import DecoderHead
from arc_encoder.model.heads.projectors import Projector
from arc_encoder.model.heads.starts import Start


class ArcEncoderModel(PreTrainedModel):
    """Everything that is trained: encoder, pooling, and a projector with task tokens for each decoder.

    Args:
        config: the architecture.
        backbone: a loaded backbone to start from; without it, one is made from the configuration.
    """

    config_class = ArcEncoderConfig
    base_model_prefix = ""
    main_input_name = "context_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(self, config: ArcEncoderConfig, backbone: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        if backbone is None:
            settings = dict(config.backbone)
            settings.pop("dtype", None)  # the model's own counts
            backbone = AutoModel.from_config(AutoConfig.for_model(settings.pop("model_type"), **settings))
        pooling = Pooling.from_settings(config.pooling["name"], config.pooling["settings"])
        self.encoder = PoolingEncoder(backbone, pooling, causal=config.causal, layer_mix=config.layer_mix)
        self.heads = nn.ModuleDict({name: self._head(name, head) for name, head in config.heads.items()})
        self.chunking = Chunking(config.chunk_size, config.max_chunks)
        self.post_init()

    @classmethod
    def build(
        cls,
        backbone: PreTrainedModel,
        pooling: Pooling,
        heads: dict[str, dict[str, Any]],
        *,
        causal: bool = False,
        chunking: Chunking | None = None,
        length_buckets: int = 16,
        layer_mix: bool = False,
    ) -> ArcEncoderModel:
        """Put a new ARC-Encoder around a loaded backbone; projectors and task tokens are fresh."""
        chunking = chunking or Chunking()
        settings = backbone.config.to_dict()
        settings.pop("_name_or_path", None)  # a path of this machine means nothing elsewhere
        config = ArcEncoderConfig(
            backbone=settings,
            pooling={"name": type(pooling).__name__, "settings": pooling.settings()},
            heads=heads,
            causal=causal,
            chunk_size=chunking.size,
            max_chunks=chunking.max_chunks,
            length_buckets=length_buckets,
            layer_mix=layer_mix,
        )
        model = cls(config, backbone=backbone)
        model.chunking.overflow = chunking.overflow
        model.reset_new_parameters()
        return model

    def reset_new_parameters(self) -> None:
        """Kaiming-uniform projectors, task tokens and memory tokens of ones, as the method starts."""
        for head in self.decoder_heads():
            head.reset_parameters()

    def _init_weights(self, module: nn.Module) -> None:
        """Nothing to draw: constructors give starting values, and a checkpoint that lacks a part is refused."""

    def merged_state_dict(self) -> dict[str, Tensor]:
        """The weights of an ARC-Encoder without adapter that computes the same."""
        backbone = "encoder.backbone."
        rest = {name: tensor for name, tensor in self.state_dict().items() if not name.startswith(backbone)}
        merged = self.encoder.adapter.merged(self.encoder.backbone)
        return {**{backbone + name: tensor for name, tensor in merged.items()}, **rest}

    def save_pretrained(
        self, save_directory: Any, *args: Any, dtype: str | None = None, whole: bool = False, **kwargs: Any
    ) -> None:
        """Save as the library does. An adapter is added to the backbone's weights in what is written, and stays apart here.

        Args:
            save_directory: the folder to write.
            dtype: of the weights: float32, bfloat16, float16, or int8 with a scale a row; None keeps their own.
            whole: store the backbone's weights that were not trained too.

        Raises:
            ConfigError: an unknown dtype.
        """
        state = kwargs.pop("state_dict", None) or self.merged_state_dict()
        kept, left_out = stored_weights(state, None if whole else self.config.origin, dtype)
        before = self.config.left_out, self.config.int8_rows, self.config.dtype
        self.config.left_out, self.config.int8_rows = left_out, dtype == "int8"
        try:
            super().save_pretrained(save_directory, *args, **{**kwargs, "state_dict": kept})
            if dtype is not None:  # the library has written that of this model
                self.config.dtype = "float32" if dtype == "int8" else dtype
                self.config.save_pretrained(save_directory)
        finally:
            self.config.left_out, self.config.int8_rows, self.config.dtype = before
        readable_as_usual(Path(save_directory).glob("*.safetensors"))

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Any,
        *args: Any,
        output_loading_info: bool = False,
        decoders: Sequence[str] | None = None,
        backbone: str | Path | None = None,
        **kwargs: Any,
    ) -> Any:
        """Load a saved ARC-Encoder as the library does, or a released one in its authors' layout.

        Args:
            decoders: names for the decoders of a released one, in their order.
            backbone: where weights that were not trained are taken from, instead of the backbone's name in
                config.json; or the folder with the params.json of a released one's backbone, if it does not hold its shape.

        Raises:
            CheckpointError: a weight is missing, which the library would leave to chance; the backbone is another one.
        """
        folder = pretrained_model_name_or_path
        released = None if folder is None else released_checkpoint(folder, kwargs.get("revision"))
        if released is not None:
            return load_checkpoint(
                cls,
                released,
                backbone=None if backbone is None else Path(backbone),
                decoders=decoders or decoder_names(folder),
                dtype=kwargs.get("dtype"),
            )
        config = kwargs.pop("config", None)
        if folder is not None and config is None:
            config = ArcEncoderConfig.from_pretrained(folder, revision=kwargs.get("revision") or "main")
        if folder is not None and (config.left_out or config.int8_rows):
            state, dtype = load_all_weights(folder, config, backbone=backbone, revision=kwargs.pop("revision", None))
            if kwargs.get("dtype") in (None, "auto"):
                kwargs["dtype"] = dtype
            kwargs["state_dict"] = state
            kwargs.pop("use_safetensors", None)
            folder = None
        loaded: Any = super().from_pretrained(folder, *args, config=config, output_loading_info=True, **kwargs)
        model, info = loaded
        missing = sorted(info["missing_keys"])
        if missing:
            shown = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
            raise CheckpointError(
                f"the ARC-Encoder at {str(pretrained_model_name_or_path)!r} lacks weights: {shown}. Copy its model.safetensors again"
            )
        if "attn_implementation" in kwargs:
            model.encoder.backbone.set_attn_implementation(kwargs["attn_implementation"])
        return (model, info) if output_loading_info else model

    @property
    def vocabulary(self) -> int:
        """Tokens that the encoder knows."""
        return int(self.encoder.backbone.get_input_embeddings().weight.shape[0])

    def head(self, decoder: str) -> DecoderHead:
        """The head of `decoder`.

        Raises:
            CheckpointError: this ARC-Encoder was not trained for it.
        """
        if decoder not in self.heads:
            raise CheckpointError(
                f"this ARC-Encoder has no projector for decoder {decoder!r}; it was made for: {', '.join(self.heads)}"
            )
        head = self.heads[decoder]
        assert isinstance(head, DecoderHead)
        return head

    def add_head(self, decoder: str, settings: dict[str, Any]) -> None:
        """A fresh head for one more decoder, as `ArcEncoderConfig.heads` describes it.

        Raises:
            ConfigError: there is one of that name, or the projector does not fit the encoder.
        """
        if decoder in self.heads:
            raise ConfigError(f"there is a decoder {decoder!r} already; it has: {', '.join(self.heads)}")
        head = self._head(decoder, settings)
        head.reset_parameters()
        self.heads[decoder] = head
        self.config.heads = {**self.config.heads, decoder: settings}

    def decoder_heads(self) -> list[DecoderHead]:
        """The heads of all decoders."""
        return [head for head in self.heads.values() if isinstance(head, DecoderHead)]

    def encode(
        self, ids: Tensor, lengths: Tensor, factor: float | None = None, *, start: Start | None = None
    ) -> tuple[Tensor, Tensor]:
        """Contexts (C, L) → encoder vectors (C, M, D) and counts (C,); long contexts in parallel chunks.

        With a `start`, the mean of what it averages over a vector's group is appended to the vector: (C, M, D + W).
        """
        chunks = self.chunking.cut(ids, lengths)
        encode = partial(self.encoder if start is None else partial(self._with_means, start=start), factor=factor)
        buckets = self.encoder.max_buckets(self.config.length_buckets)
        vectors, counts = encode_in_buckets(encode, chunks.ids, chunks.lengths, buckets)
        return join_chunks(vectors, counts, chunks.context, len(lengths))

    def _with_means(self, ids: Tensor, lengths: Tensor, *, start: Start, factor: float | None) -> tuple[Tensor, Tensor]:
        vectors, counts = self.encoder(ids, lengths, factor)
        return torch.cat([vectors, self.encoder.group_means(ids, lengths, counts, start)], dim=-1), counts

    def forward(
        self,
        context_ids: Tensor,
        context_lengths: Tensor,
        decoder: str,
        task_token: TaskToken = TaskToken.CONTINUE,
        factor: float | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Contexts → embeddings for one decoder.

        Args:
            context_ids: (C, L) encoder token ids, padded on the right.
            context_lengths: (C,) real tokens of each context.
            decoder: name of the decoder.
            task_token: learned token to append.
            factor: pooling factor instead of the configured one.

        Returns:
            vectors (C, M + 1, E), task token included, and counts (C,).
        """
        head = self.head(decoder)
        vectors, counts = self.encode(context_ids, context_lengths, factor, start=head.start)
        embeddings: tuple[Tensor, Tensor] = head(vectors, counts, task_token)
        return embeddings

    @property
    def overall_factor(self) -> int | None:
        """See `ContextCompressor`."""
        return self.encoder.pooling.overall_factor

    def compressed_length(self, tokens: int, factor: float | None = None) -> int:
        """Vectors that a context of `tokens` encoder tokens becomes, task token not counted."""
        full, rest = divmod(tokens, self.chunking.size)
        lengths = torch.tensor([self.chunking.size] * full + [rest] * (rest > 0))
        return int(self.encoder.pooling.output_lengths(lengths, factor).sum())

    def _head(self, name: str, settings: dict[str, Any]) -> DecoderHead:
        spec = settings["projector"]
        projector = Projector.from_settings(spec["name"], spec["settings"])
        if projector.in_dim != self.encoder.width:
            raise ConfigError(
                f"projector of decoder {name!r} expects width {projector.in_dim}, but the encoder gives {self.encoder.width}"
            )
        changes = settings.get("decoder_adapter")
        begins = settings.get("start")
        if begins:
            self.encoder.pooling.check_start()
        return DecoderHead(
            projector,
            task_tokens=settings.get("task_tokens", True),
            adapter=DecoderAdapter(**changes) if changes else None,
            start=Start.from_settings(begins["name"], begins["settings"]) if begins else None,
            gain=settings.get("gain"),
        )


AutoConfig.register("arc_encoder", ArcEncoderConfig)
AutoModel.register(ArcEncoderConfig, ArcEncoderModel)
