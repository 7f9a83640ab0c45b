"""ExportCompressor: writes the trained ARC-Encoder as a Hugging Face folder when training ends."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback
from safetensors import SafetensorError

from arc_encoder.data.datamodule import ArcDataModule
from arc_encoder.errors import ArcError, CheckpointError
from arc_encoder.model.pretrained import ArcEncoderModel
from arc_encoder.training.callbacks.decoder_guard import DecoderGuard
from arc_encoder.training.checkpoint_files import sync_folder
from arc_encoder.training.module import ArcLightningModule


class ExportCompressor(Callback):
    """Writes config.json, model.safetensors and the encoder's tokenizer, all at once or not at all.

    Where a `DecoderGuard` watches, it must have found the decoders unchanged first.

    Args:
        folder: where to; an earlier export there is replaced.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if trainer.is_global_zero:
            finish_swap(self.folder)

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
        if not trainer.is_global_zero:
            return
        data = getattr(trainer, "datamodule", None)
        if not isinstance(data, ArcDataModule):
            raise ArcError("ExportCompressor needs the run's ArcDataModule for the encoder's tokenizer")
        write_folder(self.folder, pl_module.model.compressor, data)


def write_folder(folder: Path, compressor: ArcEncoderModel, data: ArcDataModule) -> None:
    """Write to a neighbouring folder first, then rename, so that `folder` is never half-written.

    Raises:
        CheckpointError: the disk is full, or the folder cannot be written.
    """
    fresh, old = _neighbours(folder)
    try:
        finish_swap(folder)
        compressor.save_pretrained(fresh)
        data.collator.encoder_tokenizer.save_pretrained(fresh)
        for file in fresh.iterdir():
            _sync(file)
        sync_folder(fresh)
        if folder.exists():
            os.replace(folder, old)
        os.replace(fresh, folder)
        sync_folder(folder.parent)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        kept = "the earlier one there is untouched" if folder.exists() else "nothing was left there"
        raise CheckpointError(
            f"the trained compressor could not be written to {folder} ({error}); {kept}. Make room, then go on from the "
            "last checkpoint with arc-train --resume <run>: nothing is trained again, and it is written once more"
        ) from error
    shutil.rmtree(old, ignore_errors=True)


def finish_swap(folder: Path) -> None:
    """Clear up after an export that was killed, whenever that was: `folder` is whole, or was never there."""
    fresh, old = _neighbours(folder)
    if old.exists() and not folder.exists():  # killed between the two renames, when the fresh one was complete
        os.replace(fresh if fresh.exists() else old, folder)
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _neighbours(folder: Path) -> tuple[Path, Path]:
    return folder.with_name(folder.name + ".part"), folder.with_name(folder.name + ".old")


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
