"""A new decoder on a trained ARC-Encoder that stays as it is (Pilchen et al., 2025, §3.3 and §4.2).

Everything but the new decoder's projector and task tokens is frozen. The callback `AddToFolder`
puts what was trained into the folder that the ARC-Encoder came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.assembly.build import fit_starts, head_settings
from arc_encoder.model.checkpoint.loading import load_arc_encoder
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.decoder.load import FrozenDecoder
from arc_encoder.model.encoder.chunking import Chunking
from arc_encoder.model.heads.projectors import Projector
from arc_encoder.model.heads.starts import Start


def extend_arc_model(
    folder: str,
    projector: Callable[..., Projector],
    decoders: Mapping[str, FrozenDecoder],
    *,
    task_tokens: bool = True,
    start: Callable[..., Start] | None = None,
    gain: float | None = None,
    activation_checkpointing: bool = False,
    chunking: Chunking | None = None,
    encoder_tokenizer: str | None = None,
    head_from: str | None = None,
) -> tuple[ArcForCausalLM, PreTrainedTokenizerBase]:
    """A trained ARC-Encoder in front of decoders that it does not know yet, and the encoder's tokenizer.

    Encoder, pooling and chunking are those of `folder`; train it with `OptimSettings(train_encoder=False)`.

    Args:
        folder: of a trained ARC-Encoder, or the hub name of a released one.
        projector: class or partial that makes a projector from (in_dim, out_dim).
        decoders: the new frozen decoders by name.
        task_tokens: whether each new decoder gets a pair of task tokens; chat decoders get none.
        start: class or partial that makes what vectors begin as from (in_dim, out_dim, vocabulary=…); None begins at random.
        gain: what the projector's output is multiplied by at first, a number that is learned; None has none.
        activation_checkpointing: compute activations of the decoders again in the backward pass, instead of keeping them.
        chunking: how long contexts are cut, instead of the folder's own way.
        encoder_tokenizer: folder or hub name of the encoder's tokenizer, if it is not in `folder`.
        head_from: a decoder that it serves already, whose trained projector and start the new ones begin as, in place of
            `projector`, `start` and `gain`: the same model in a chat, or a fine-tuned one.

    Raises:
        CheckpointError: no ARC-Encoder there.
        ConfigError: a decoder that it knows already, or a head to begin as that it does not have or that is of another
            width.
    """
    compressor, tokenizer = load_arc_encoder(folder, tokenizer=encoder_tokenizer)
    known = [name for name in decoders if name in compressor.heads]
    if known:
        raise ConfigError(
            f"the ARC-Encoder at {folder!r} already serves {', '.join(known)}; train on from it with ckpt={folder} and without "
            "experiment=add_decoder, or give the new decoder another name"
        )
    for name, decoder in decoders.items():
        tokens = task_tokens and not decoder.chat
        if head_from is not None:
            _copy_head(compressor, head_from, name, decoder, tokens)
            continue
        made = projector(compressor.encoder.width, decoder.width)
        begins = (
            None if start is None else start(compressor.encoder.width, decoder.width, vocabulary=compressor.vocabulary)
        )
        compressor.add_head(name, head_settings(made, tokens, start=begins, gain=gain))
    if head_from is None:
        fit_starts(compressor, tokenizer, decoders)
    if chunking is not None:
        compressor.chunking = chunking
    model = ArcForCausalLM(compressor, decoders)
    if activation_checkpointing:
        model.checkpoint_activations()
    return model, tokenizer


def _copy_head(compressor: ArcEncoderModel, source: str, name: str, decoder: FrozenDecoder, task_tokens: bool) -> None:
    """A head for `name` that computes what the one of `source` does."""
    if source not in compressor.heads:
        raise ConfigError(
            f"head_from={source!r} is no decoder of this ARC-Encoder; it serves {', '.join(compressor.heads)}",
        )
    known = compressor.head(source)
    if known.projector.out_dim != decoder.width:
        raise ConfigError(
            f"head_from={source!r} makes vectors of width {known.projector.out_dim}, but decoder {name!r} reads {decoder.width}; "
            "leave it out, so that the projector begins anew",
        )
    settings = {key: value for key, value in compressor.config.heads[source].items() if key != "decoder"}
    compressor.add_head(name, {**settings, "task_tokens": task_tokens})
    head = compressor.head(name)
    wanted = head.state_dict()
    head.load_state_dict({**wanted, **{key: value for key, value in known.state_dict().items() if key in wanted}})
