"""ExportCompressor: writes the trained ARC-Encoder as a Hugging Face folder when training ends."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback

from arc_encoder.data.datamodule import ArcDataModule
from arc_encoder.errors import ArcError
from arc_encoder.model.pretrained import ArcEncoderModel
from arc_encoder.training.module import ArcLightningModule


class ExportCompressor(Callback):
    """Writes config.json, model.safetensors and the encoder's tokenizer, all at once or not at all.

    Args:
        folder: where to; an earlier export there is replaced.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, ArcLightningModule)
        data = getattr(trainer, "datamodule", None)
        if not isinstance(data, ArcDataModule):
            raise ArcError("ExportCompressor needs the run's ArcDataModule for the encoder's tokenizer")
        write_folder(self.folder, pl_module.model.compressor, data)


def write_folder(folder: Path, compressor: ArcEncoderModel, data: ArcDataModule) -> None:
    """Write to a neighbouring folder first, then rename, so that `folder` is never half-written."""
    fresh = folder.with_name(folder.name + ".part")
    shutil.rmtree(fresh, ignore_errors=True)
    compressor.save_pretrained(fresh)
    data.collator.encoder_tokenizer.save_pretrained(fresh)
    if folder.exists():
        old = folder.with_name(folder.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        os.replace(folder, old)
        os.replace(fresh, folder)
        shutil.rmtree(old)
    else:
        os.replace(fresh, folder)
