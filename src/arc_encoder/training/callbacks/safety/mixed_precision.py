"""MixedPrecision: the dtype policy of a training, managed and checked.

What is trained keeps float32 master weights; a frozen decoder may be kept in bfloat16,
which halves its memory. The Trainer's `precision` chooses the dtype of the computation.
"""

from __future__ import annotations

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_info

from arc_encoder.core.compute import compute_dtype
from arc_encoder.core.errors import ConfigError
from arc_encoder.training.module import ArcLightningModule

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class MixedPrecision(Callback):
    """Casts decoders, and refuses to train when a trained weight is not float32.

    Args:
        decoder_dtype: dtype of the frozen decoders: ``float32``, ``bfloat16`` or ``float16``;
            None keeps what they were loaded in.

    Raises:
        ConfigError: unknown dtype.
    """

    def __init__(self, decoder_dtype: str | None = None) -> None:
        if decoder_dtype is not None and decoder_dtype not in DTYPES:
            raise ConfigError(
                f"mixed precision: decoder_dtype={decoder_dtype!r} is unknown; choose one of {', '.join(DTYPES)}"
            )
        self.decoder_dtype = decoder_dtype

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        assert isinstance(pl_module, ArcLightningModule)
        compute_dtype(trainer.precision, "trainer.precision")
        if self.decoder_dtype is not None:
            # Weights only: rotary frequencies and other buffers stay exact, as when a decoder is loaded in this dtype.
            for weight in (w for d in pl_module.model.frozen_decoders().values() for w in d.model.parameters()):
                weight.data = weight.data.to(DTYPES[self.decoder_dtype])

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, ArcLightningModule)
        wrong = [
            name
            for name, p in pl_module.model.compressor.named_parameters()
            if p.requires_grad and p.dtype != torch.float32
        ]
        if wrong:
            raise ConfigError(
                f"trained weights must be float32, but {len(wrong)} are not, first: {wrong[0]}; load the encoder in float32"
            )
        decoders = pl_module.model.frozen_decoders()
        thawed = [f"{n}.{w}" for n, d in decoders.items() for w, p in d.model.named_parameters() if p.requires_grad]
        if thawed:
            raise ConfigError(
                f"decoder weights must be frozen, but {len(thawed)} ask for gradients, first: {thawed[0]}"
            )
        kept = {
            name: str(decoder.model.dtype).removeprefix("torch.")
            for name, decoder in pl_module.model.frozen_decoders().items()
        }
        computed = str(compute_dtype(trainer.precision)).removeprefix("torch.")
        rank_zero_info(f"dtypes: trained weights float32, computed in {computed}, frozen decoders {kept}")
