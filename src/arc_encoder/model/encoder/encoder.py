"""The encoder: a language model's body without head, causal mask and final norm, pooling in its last blocks.

Shape legend: C contexts, L tokens, M vectors, D width.

Contexts are rows of a batch, each with positions from 0 on, so they never see each other
(Pilchen et al., 2025, §3.2). `PoolingEncoder.pack` puts them into one row without padding instead, up to the first block
that pools.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.encoder.adapters import Adapter, NoAdapter
from arc_encoder.model.encoder.chunking import check_lengths
from arc_encoder.model.encoder.layer_mix import LayerMix
from arc_encoder.model.encoder.padding.packing import Packed, check_packable, document_mask
from arc_encoder.model.encoder.pooled_block import PooledBlock
from arc_encoder.model.encoder.pooling import MeanPooling, Pooling
from arc_encoder.model.encoder.pooling.grouping import balanced_groups, gather_groups
from arc_encoder.model.heads.starts import Start
from arc_encoder.model.language_models.grouped_attention import use_grouped_attention

ENDLESS = 2**30  # a sliding window that no context fills
SUPPORTED = "Llama, Mistral, Qwen2, Qwen3, OLMo 1-3, Gemma 1-3 (text), SmolLM3"


class PoolingEncoder(nn.Module):
    """Backbone + pooling: token ids → pooled hidden states.

    Args:
        backbone: a Hugging Face base model (no language-model head), already truncated.
            It is changed in place.
        pooling: how many vectors, and how a group becomes one.
        causal: keep the causal mask (an ablation; a pooled row sees up to its group's end).
        layer_mix: pool a learned mixture of all layers before the first pooling block, instead of the last of them.

    Raises:
        ConfigError: more pooling steps than blocks, a pooling that cannot be causal, or a family
            whose blocks are not understood.
    """

    def __init__(
        self, backbone: PreTrainedModel, pooling: Pooling, *, causal: bool = False, layer_mix: bool = False
    ) -> None:
        super().__init__()
        pooling.check_mask(causal)
        steps = len(pooling.factors())
        config = backbone.config
        layers: Any = getattr(backbone, "layers", None)
        if layers is None:
            raise ConfigError(
                f"{type(backbone).__name__} cannot be an encoder: it has no `layers`. Supported: {SUPPORTED}"
            )
        if steps > len(layers):
            raise ConfigError(f"the pooling schedule has {steps} steps, but the encoder has only {len(layers)} blocks")
        self.backbone: Any = backbone
        self.pooling, self.causal = pooling, causal
        self.adapter: Adapter = NoAdapter()
        self.mix: LayerMix | None = None
        self.packed = False
        self._full_attention(config)
        use_grouped_attention(backbone)
        pooling.setup(self.width)
        backbone.norm = nn.Identity()  # the projector reads the raw residual stream
        meta = backbone.get_input_embeddings().weight.is_meta  # `from_pretrained` builds without values first
        plain = None if meta or steps == 0 else self._probe([])
        for stage in range(steps):
            place = len(layers) - steps + stage
            layers[place] = self._pooled(layers[place], stage)
        if plain is not None:
            self._check_blocks(plain, steps)
        self.mix = LayerMix(layers, steps) if layer_mix else None

    def attach(self, adapter: Adapter) -> None:
        """Train `adapter` in the place of the backbone's own weights, from now on.

        Raises:
            ConfigError: an adapter that does not fit the backbone.
        """
        adapter.attach(self.backbone)
        self.adapter = adapter

    @torch.no_grad()
    def pack(self) -> None:
        """From now on, let the layers in front of the pooling blocks read contexts in one row without padding.

        It is a way to compute: weights stay as they are, and nothing of it is saved. A batch in which nothing is padded
        is computed as before.

        Raises:
            ConfigError: a backbone that cannot, or that then computes something else.
        """
        embed = self.backbone.get_input_embeddings()
        check_packable(self.backbone, embed.weight.device)
        rows = torch.tensor([2, 5, 3], device=embed.weight.device)
        embeddings = embed(torch.arange(15, device=rows.device).view(3, 5) % embed.weight.shape[0])
        real = torch.arange(5, device=rows.device) < rows[:, None]
        self.packed = False
        with self._unpooled() as blocks:
            padded = self._run(embeddings, rows, [rows] * (blocks + 1))[real]
            self.packed = True
            try:
                differ = float((self._run(embeddings, rows, [rows] * (blocks + 1))[real] - padded).abs().max())
            except (AttributeError, RuntimeError, TypeError, ValueError):  # layers that take no such row
                differ = float("inf")
        if not differ <= 1e-2 * float(padded.abs().max()):
            self.packed = False
            raise ConfigError(
                f"{type(self.backbone).__name__} cannot read packed contexts: its layers then differ by {differ:.3g} (values up "
                f"to {float(padded.abs().max()):.3g}), so something else than attention joins tokens. Leave packed switched off"
            )

    def max_buckets(self, configured: int) -> int:
        """Buckets in which a batch is encoded at most: as `configured`, or one where contexts are packed."""
        return 1 if self.packed else configured

    @property
    def width(self) -> int:
        """Width D of the encoder's vectors."""
        return int(self.backbone.config.hidden_size)

    def forward(self, ids: Tensor, lengths: Tensor, factor: float | None = None) -> tuple[Tensor, Tensor]:
        """Encode contexts.

        Args:
            ids: (C, L) token ids, padded on the right.
            lengths: (C,) number of real tokens, each at least 1.
            factor: pooling factor to use instead of the configured one.

        Returns:
            vectors (C, M, D), valid up to counts (C,).

        Raises:
            DataError: an empty context.
        """
        check_lengths(lengths)
        ids = ids[:, : int(lengths.max())]
        embeddings, rows = self.pooling.extend(self.backbone.get_input_embeddings()(ids), lengths)
        stages = self.pooling.stage_lengths(rows, factor)
        return self.pooling.select(self._run(embeddings, rows, stages), rows, stages)

    def group_means(self, ids: Tensor, lengths: Tensor, counts: Tensor, start: Start) -> Tensor:
        """Mean over each group of neighbours of what `start` averages: (C, L) ids → (C, M, W)."""
        groups = balanced_groups(lengths, counts)
        averaged = start.embed(ids[:, : int(lengths.max())], self.backbone.get_input_embeddings())
        members = gather_groups(averaged, groups)
        return members.sum(2) / groups.mask.sum(2, keepdim=True).clamp(min=1)

    def _run(self, embeddings: Tensor, rows: Tensor, stages: list[Tensor]) -> Tensor:
        extra: dict[str, Any] = {} if self.causal else {"is_causal": False}
        if self.mix is not None:
            extra["layer_states"] = []
        packed = None
        if bool((rows < embeddings.shape[1]).any()):
            if self.packed:
                check_packable(self.backbone, embeddings.device)
                packed = Packed.of(rows)
                embeddings = packed.pack(embeddings)
                mask = document_mask(packed.documents, self.causal)
                extra |= {"attention_mask": mask, "position_ids": packed.positions, "packed": packed}
            else:
                place = torch.arange(embeddings.shape[1], device=embeddings.device)
                extra["attention_mask"] = (place < rows[:, None]).long()
        output = self.backbone(inputs_embeds=embeddings, use_cache=False, stage_lengths=stages, **extra)
        hidden: Tensor = output.last_hidden_state
        return hidden if packed is None or len(stages) > 1 else packed.unpack(hidden)  # without a block that unpacks

    @torch.no_grad()
    def _probe(self, stages: list[Tensor]) -> Tensor:
        """The backbone's output for six token ids."""
        embed = self.backbone.get_input_embeddings()
        ids = torch.arange(6, device=embed.weight.device)[None] % embed.weight.shape[0]
        return self._run(embed(ids), torch.full((1,), 6, device=ids.device), stages)

    def _check_blocks(self, plain: Tensor, steps: int) -> None:
        """Refuse a family whose blocks, with factor 1, do not compute what its layers compute."""
        try:
            with self._unpooled():
                pooled = self._probe([torch.full((1,), 6, device=plain.device)] * (steps + 1))
        except (AttributeError, RuntimeError, TypeError, ValueError) as error:  # parts of other names, shapes or roles
            raise ConfigError(
                f"{type(self.backbone).__name__} cannot be an encoder: its layer cannot be run as a pooled block ({error}). "
                f"Supported backbones: {SUPPORTED}"
            ) from error
        worst, scale = float((pooled - plain).abs().max()), float(plain.abs().max())
        if not worst <= 1e-2 * scale:
            raise ConfigError(
                f"{type(self.backbone).__name__} cannot be an encoder: with factor 1 its pooled block differs from its plain "
                f"layer by {worst:.3g} (values up to {scale:.3g}). Supported backbones: {SUPPORTED}"
            )

    @contextmanager
    def _unpooled(self) -> Iterator[int]:
        """With blocks that keep every row; gives their number."""
        blocks = [layer for layer in self.backbone.layers if isinstance(layer, PooledBlock)]
        try:
            for block in blocks:  # layers are judged, not what a pooling makes of one token
                block.use(MeanPooling(1, where=self.pooling.where))
            yield len(blocks)
        finally:
            for block in blocks:
                block.use(self.pooling)

    def _full_attention(self, config: PretrainedConfig) -> None:
        """Let every layer see the whole context: no causal mask, no sliding window."""
        config.is_causal = self.causal
        if hasattr(config, "use_bidirectional_attention"):
            config.use_bidirectional_attention = not self.causal
        if getattr(config, "sliding_window", None) is not None:
            # Bodies that mix both kinds of layers ask for a window's mask, and choose rotary angles by kind.
            mixed = "sliding_attention" in (getattr(config, "layer_types", None) or [])
            config.sliding_window = ENDLESS if mixed else None
        for module in self.backbone.modules():
            if getattr(module, "sliding_window", None) is not None:
                module.sliding_window = None
            if hasattr(module, "is_causal"):
                module.is_causal = self.causal

    def _pooled(self, layer: nn.Module, stage: int) -> PooledBlock:
        attention = getattr(layer, "self_attn", None)
        parts = ("q_proj", "k_proj", "v_proj", "o_proj", "head_dim", "scaling")
        missing = [part for part in parts if not hasattr(attention, part)]
        if missing or not hasattr(layer, "mlp"):
            raise ConfigError(
                f"{type(layer).__name__} cannot pool: its attention lacks {', '.join(missing) or 'a feed-forward named mlp'}. "
                f"Supported backbones: {SUPPORTED}"
            )
        return PooledBlock(layer, self.pooling, stage, self.causal)
