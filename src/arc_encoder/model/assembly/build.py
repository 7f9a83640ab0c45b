"""Putting an ArcForCausalLM together from its parts, fresh or from a trained ARC-Encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import CheckpointError, ConfigError, at_least
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.checkpoint.config import ArcEncoderConfig
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.checkpoint.published.blocks import block_digests, block_of
from arc_encoder.model.checkpoint.published.decoder_identity import check_decoder_identity, identity_of
from arc_encoder.model.checkpoint.published.folder import read_weights
from arc_encoder.model.checkpoint.published.origin import check_backbone, origin_of
from arc_encoder.model.checkpoint.released.checkpoint import Checkpoint
from arc_encoder.model.checkpoint.released.load import converted, number_of_decoders
from arc_encoder.model.checkpoint.released.source import decoder_names, released_checkpoint
from arc_encoder.model.decoder.load import FrozenDecoder
from arc_encoder.model.encoder.backbone import Backbone
from arc_encoder.model.encoder.chunking import Chunking
from arc_encoder.model.encoder.pooling import Pooling
from arc_encoder.model.heads.decoder_adapter import DecoderLora
from arc_encoder.model.heads.projectors import Projector
from arc_encoder.model.heads.starts import SharedVocabulary, Start
from arc_encoder.model.heads.starts.vocabulary import rows_of
from arc_encoder.model.language_models.rotary_scaling import has_rotary_scaling
from arc_encoder.model.language_models.state_dict_mismatch import state_dict_mismatches


def build_arc_model(
    encoder: Backbone,
    pooling: Pooling,
    projector: Callable[..., Projector],
    decoders: Mapping[str, FrozenDecoder],
    *,
    chunking: Chunking | None = None,
    length_buckets: int = 16,
    packed: bool = False,
    task_tokens: bool = True,
    decoder_adapter: DecoderLora | None = None,
    start: Callable[..., Start] | None = None,
    gain: float | None = None,
    layer_mix: bool = False,
    activation_checkpointing: bool = False,
    init_from: str | None = None,
) -> tuple[ArcForCausalLM, PreTrainedTokenizerBase]:
    """An ARC-Encoder in front of frozen decoders, and the encoder's tokenizer.

    Args:
        encoder: where the backbone comes from, and the adapter that is trained in its place, if any.
        pooling: how contexts are pooled.
        projector: class or partial that makes a projector from (in_dim, out_dim).
        decoders: frozen decoders by name.
        chunking: how long contexts are cut.
        length_buckets: contexts of a batch are encoded in at most this many buckets of similar length.
        packed: let the layers in front of the pooling blocks read the contexts of a batch in one row without padding, for
            GPUs; elsewhere it is a slow reference. Nothing of it is saved.
        task_tokens: whether each decoder gets a pair of task tokens; one that is given a chat template gets none,
            its instructions take their place (Pilchen et al., 2025, §4.3).
        decoder_adapter: low-rank changes that are trained beside each decoder's frozen weights, for baselines that
            change the decoder (PISCO); the method has none.
        start: class or partial that makes what vectors begin as from (in_dim, out_dim, vocabulary=…); None begins at random, as the
            method does.
        gain: what the projector's output is multiplied by at first, a number that is learned; None has none.
        layer_mix: pool a learned mixture of all layers before the first pooling block; the method pools the last of them.
        activation_checkpointing: compute activations of encoder and decoders again in the backward pass, instead of
            keeping them: far less memory, about a third more work.
        init_from: folder of a trained ARC-Encoder whose weights to start from. Pooling factor
            and schedule may differ from its own; decoders that it does not know start fresh.

    Raises:
        CheckpointError: weights that do not fit.
        ConfigError: a backbone that cannot read packed contexts.
    """
    backbone, tokenizer = encoder.load()
    width, vocabulary = int(backbone.config.hidden_size), rows_of(backbone.get_input_embeddings())
    heads = {
        name: head_settings(
            projector(width, decoder.width),
            task_tokens and not decoder.chat,
            None if decoder_adapter is None else decoder_adapter.settings_for(decoder.model),
            start=None if start is None else start(width, decoder.width, vocabulary=vocabulary),
            gain=gain,
            decoder=decoder,
        )
        for name, decoder in decoders.items()
    }
    if decoder_adapter is not None and activation_checkpointing:
        raise ConfigError("decoder_adapter does not go with activation_checkpointing; switch the latter off")
    at_least(1, length_buckets=length_buckets)
    compressor = ArcEncoderModel.build(
        backbone,
        pooling,
        heads,
        causal=encoder.causal,
        chunking=chunking,
        length_buckets=length_buckets,
        layer_mix=layer_mix,
    )
    if packed:
        compressor.encoder.pack()
    compressor.config.origin = origin_of(encoder.path, compressor.state_dict())
    compressor.config.rotary_scaling = any(has_rotary_scaling(decoder.model.config) for decoder in decoders.values())
    fresh = list(decoders)
    if init_from is not None:
        fresh = load_compressor_weights(compressor, Path(init_from))
        _check_decoders(Path(init_from), {name: each for name, each in decoders.items() if name not in fresh})
    fit_starts(compressor, tokenizer, {name: decoders[name] for name in fresh})
    compressor.encoder.attach(encoder.adapter)
    model = ArcForCausalLM(compressor, decoders)
    if activation_checkpointing:
        model.checkpoint_activations()
    return model, tokenizer


def _check_decoders(folder: Path, decoders: Mapping[str, FrozenDecoder]) -> None:
    """Refuse decoders that are others than those of the ARC-Encoder that training starts from."""
    heads = ArcEncoderConfig.from_pretrained(folder).heads if (folder / "config.json").is_file() else {}
    for name, decoder in decoders.items():
        check_decoder_identity(name, decoder, heads.get(name, {}).get("decoder"))


def fit_starts(
    compressor: ArcEncoderModel, tokenizer: PreTrainedTokenizerBase, decoders: Mapping[str, FrozenDecoder]
) -> None:
    """Fit what the vectors of `decoders` begin as, where they have a start."""
    mine = compressor.encoder.backbone.get_input_embeddings()
    for name, decoder in decoders.items():
        start = compressor.head(name).start
        if start is not None:
            theirs = decoder.model.get_input_embeddings(), decoder.tokenizer
            start.fit(SharedVocabulary((mine, tokenizer), theirs, name))


def load_compressor_weights(compressor: ArcEncoderModel, folder: Path) -> list[str]:
    """Copy the weights of a saved ARC-Encoder into `compressor`; returns the decoders that it does not know.

    The folder may hold a released ARC-Encoder in its authors' layout.

    Raises:
        CheckpointError: missing or damaged file, or another architecture (all differences named).
    """
    released = released_checkpoint(folder)
    if released is not None:
        return _copy(compressor, _released_weights(released, folder, list(compressor.heads)), folder)
    saved = read_weights(folder)
    config = ArcEncoderConfig.from_pretrained(folder) if (folder / "config.json").is_file() else ArcEncoderConfig()
    if config.left_out and config.origin:
        own = {name: tensor for name, tensor in compressor.state_dict().items() if block_of(name) in config.left_out}
        check_backbone(block_digests(own), config.origin, config.left_out, "model.encoder.path")
        saved |= own
    return _copy(compressor, saved, folder)


def _released_weights(released: Checkpoint, folder: Path, heads: list[str]) -> dict[str, Tensor]:
    """Weights of a released ARC-Encoder; its decoders by their published names, or else in the order of `heads`."""
    names = list(decoder_names(folder) or ())
    if not set(names) & set(heads):
        count = number_of_decoders(released)
        names = heads if len(heads) == count else [f"decoder_{i}" for i in range(count)]
    return converted(released, released.shape(), names, torch.float32)


def _copy(compressor: ArcEncoderModel, saved: Mapping[str, Tensor], folder: Path) -> list[str]:
    own = compressor.state_dict()
    known = {name.split(".")[1] for name in saved if name.startswith("heads.")}
    fresh = {name for name in own if name.startswith("heads.") and name.split(".")[1] not in known}
    other_heads = {name for name in saved if name.startswith("heads.") and name.split(".")[1] not in compressor.heads}
    expected = {name: tensor for name, tensor in own.items() if name not in fresh}
    wanted = {name: tensor for name, tensor in saved.items() if name not in other_heads}
    problems = state_dict_mismatches(wanted, expected)
    if problems:
        shown = "; ".join(problems[:8]) + (f"; and {len(problems) - 8} more" if len(problems) > 8 else "")
        raise CheckpointError(
            f"{folder} holds another architecture: {shown}. Choose the encoder, pooling and projector it was trained with"
        )
    compressor.load_state_dict({**own, **wanted})
    return [name for name in compressor.heads if name not in known]


def head_settings(
    projector: Projector,
    task_tokens: bool,
    adapter: dict[str, Any] | None = None,
    *,
    start: Start | None = None,
    gain: float | None = None,
    decoder: FrozenDecoder | None = None,
) -> dict[str, Any]:
    """A head's entry in the configuration of an ARC-Encoder."""
    return {
        "projector": {"name": type(projector).__name__, "settings": projector.settings()},
        "task_tokens": task_tokens,
        **({} if adapter is None else {"decoder_adapter": adapter}),
        **({} if start is None else {"start": {"name": type(start).__name__, "settings": start.settings()}}),
        **({} if gain is None else {"gain": float(gain)}),
        **({} if decoder is None else {"decoder": identity_of(decoder)}),
    }
