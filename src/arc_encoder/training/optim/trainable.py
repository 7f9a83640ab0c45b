"""Which parts of the compressor are trained in a run: heads always, of the encoder what the settings choose.

Layers are chosen by their numbers in the backbone, embeddings by what the backbone calls its
input embeddings; no name is searched for. Whatever belongs to neither, such as memory tokens,
is trained with the encoder. An adapter takes the place of the backbone's own weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.encoder.adapters import Adapter
from arc_encoder.training.optim.optimizer import OptimSettings


def set_trainable(compressor: ArcEncoderModel, settings: OptimSettings, decoders: Iterable[str] | None = None) -> None:
    """Let gradients reach what `settings` choose, and nothing else.

    Args:
        decoders: the decoders whose heads are trained; None trains all of them.

    Raises:
        ConfigError: a layer that the encoder does not have, or an adapter that would not be trained.
    """
    encoder = compressor.encoder
    layers = encoder.backbone.layers
    chosen = layer_numbers(settings.train_layers, len(layers))
    trained = set(compressor.heads if decoders is None else decoders)
    compressor.requires_grad_(True)
    for name, head in compressor.heads.items():
        head.requires_grad_(name in trained)
    encoder.requires_grad_(settings.train_encoder)
    check_adapter(encoder.adapter, settings.train_encoder)
    if not settings.train_encoder:
        return
    encoder.backbone.get_input_embeddings().requires_grad_(settings.train_embeddings)
    for number, layer in enumerate(layers):
        layer.requires_grad_(number in chosen)
    encoder.adapter.freeze_adapted(encoder.backbone)


def check_adapter(adapter: Adapter, train_encoder: bool) -> None:
    """Refuse weights that would be added and never trained.

    Raises:
        ConfigError: an adapter on an encoder that is not trained.
    """
    if adapter.adds_weights and not train_encoder:
        raise ConfigError(
            "without train_encoder the encoder's adapter is not trained; choose no adapter, or switch train_encoder on"
        )


def layer_numbers(chosen: Sequence[int] | None, layers: int) -> set[int]:
    """Numbers from 0 on of the chosen layers among `layers`; negative ones count from the end, None chooses all.

    Raises:
        ConfigError: numbers that are out of range, each named.
    """
    if chosen is None:
        return set(range(layers))
    wrong = [number for number in chosen if not -layers <= number < layers]
    if wrong:
        raise ConfigError(
            f"train_layers={list(chosen)}: the encoder has no layer {', '.join(map(str, wrong))}; it has {layers}, "
            f"with the numbers 0 to {layers - 1}, or -{layers} to -1 counted from the end"
        )
    return {number % layers for number in chosen}
