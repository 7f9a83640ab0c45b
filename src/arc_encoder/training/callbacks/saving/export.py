"""ExportCompressor: writes the trained ARC-Encoder as a Hugging Face folder when training ends."""

from __future__ import annotations

from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback

from arc_encoder.core.atomic import recover_directory
from arc_encoder.core.errors import ArcError, ConfigError
from arc_encoder.data.batching.datamodule import ArcDataModule
from arc_encoder.model.checkpoint.published.folder import DTYPES
from arc_encoder.training.callbacks.safety.decoder_guard import DecoderGuard
from arc_encoder.training.checkpoints.compressor_folder import write_compressor
from arc_encoder.training.module import ArcLightningModule
from arc_encoder.training.sharding import full_state_dict


class ExportCompressor(Callback):
    """Writes config.json, model.safetensors and the encoder's tokenizer, all at once or not at all.

    Where a `DecoderGuard` watches, it must have found the decoders unchanged first.

    Args:
        folder: where to; an earlier export there is replaced.
        dtype: of the weights in it: float32, bfloat16, float16, or int8 with a scale a row; None keeps float32.

    Raises:
        ConfigError: an unknown dtype.
    """

    def __init__(self, folder: str, dtype: str | None = None) -> None:
        if dtype is not None and dtype not in DTYPES:
            raise ConfigError(f"export: dtype={dtype} is unknown; choose one of {', '.join(DTYPES)}")
        self.folder, self.dtype = Path(folder), dtype

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if trainer.is_global_zero:
            recover_directory(self.folder)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.export(trainer, pl_module)

    def export(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the compressor as it is now.

        Raises:
            DecoderChangedError: a decoder is not what it was.
            CheckpointError: the folder cannot be written; an earlier one is still there.
        """
        assert isinstance(pl_module, ArcLightningModule)
        for guard in (each for each in trainer.callbacks if isinstance(each, DecoderGuard)):  # type: ignore[attr-defined]
            guard.prove(trainer, pl_module)
        compressor = pl_module.model.compressor
        state = full_state_dict(compressor.merged_state_dict())
        if not trainer.is_global_zero:
            return
        data = getattr(trainer, "datamodule", None)
        if not isinstance(data, ArcDataModule):
            raise ArcError("ExportCompressor needs the run's ArcDataModule for the encoder's tokenizer")
        tokenizer = data.collator.encoder_tokenizer
        own = compressor.overall_factor
        compressor.config.factors = sorted(map(float, data.factors)) or ([] if own is None else [float(own)])

        def write(fresh: Path) -> None:
            compressor.save_pretrained(fresh, state_dict=state, dtype=self.dtype)
            tokenizer.save_pretrained(fresh)

        write_compressor(self.folder, write)
