"""AddToFolder: a decoder that was trained on a frozen encoder joins the others in the published folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import lightning as L
import torch
from filelock import FileLock
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_info

from arc_encoder.core.atomic import recover_directory
from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.checkpoint.published.folder import stored_dtype
from arc_encoder.training.checkpoints.compressor_folder import write_compressor
from arc_encoder.training.module import ArcLightningModule
from arc_encoder.training.sharding import ShardedStrategy


class AddToFolder(Callback):
    """When training ends, adds the heads of the run's decoders to a published ARC-Encoder.

    Args:
        folder: the ARC-Encoder that the run started from, as `save_pretrained` wrote it.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if isinstance(trainer.strategy, ShardedStrategy):
            raise ConfigError(
                "AddToFolder does not work with sharded weights; leave it out, or choose the strategy ddp: beside a frozen encoder there is little to divide"
            )
        if trainer.is_global_zero:
            recover_directory(self.folder)
        if not (self.folder / "config.json").is_file():
            raise ConfigError(
                f"AddToFolder: {self.folder} holds no config.json, so nothing can be added there; give a folder "
                "that save_pretrained wrote (`convert` makes one of a released ARC-Encoder), or leave AddToFolder out"
            )

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, ArcLightningModule)
        if not trainer.is_global_zero:
            return
        names = list(pl_module.model.decoders)
        add_heads(self.folder, pl_module.model.compressor, names)
        rank_zero_info(f"added {', '.join(names)} to {self.folder}")


def add_heads(folder: Path, trained: ArcEncoderModel, names: Sequence[str]) -> None:
    """Add the heads called `names` to the ARC-Encoder in `folder`; its other files and heads stay as they are.

    Several trainings may add their decoders to one folder; they wait for one another. The new heads
    take the dtype in which the folder is kept.

    Raises:
        CheckpointError: another encoder is there, or a decoder of that name was added meanwhile.
    """
    own = "it is in the compressor folder of your run"
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        dtype = stored_dtype(folder)
        kept = getattr(torch, dtype.replace("int8", "float32"))
        published = ArcEncoderModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
        fresh_names = [name for name in names if name not in published.heads]
        taken = [name for name in names if name in published.heads]
        if any(not same_weights(published.head(name), trained.head(name), kept) for name in taken):
            raise CheckpointError(
                f"{folder} serves {', '.join(taken)} already, so the one that was trained now was not added; {own}"
            )
        if not fresh_names:  # these very heads were added before
            return
        if not same_weights(published.encoder, trained.encoder, kept):
            raise CheckpointError(
                f"{folder} holds another encoder than the one that was trained with, so nothing was added; {own}"
            )
        for name in fresh_names:
            published.add_head(name, trained.config.heads[name])
            published.head(name).load_state_dict(trained.head(name).state_dict())

        def write(fresh: Path) -> None:
            shutil.copytree(folder, fresh, ignore=shutil.ignore_patterns("*.safetensors", "*.safetensors.index.json"))
            published.save_pretrained(fresh, dtype=dtype)

        write_compressor(folder, write)


def same_weights(one: torch.nn.Module, other: torch.nn.Module, kept: torch.dtype) -> bool:
    """Whether two modules hold the same weights, once both are rounded to the dtype in which one of them was kept."""
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(
        torch.equal(tensor.to(kept), theirs[name].to(kept).cpu()) for name, tensor in ours.items()
    )
