"""CompressionRatio: how many of the decoder's own tokens one position of a compressed context stands for.

The pooling factor counts the encoder's tokens; what a user saves is counted in the decoder's
(Pilchen et al., 2025, §4.2), task tokens included.
"""

from __future__ import annotations

import lightning as L
from lightning.pytorch.callbacks import Callback

from arc_encoder.core.segments import Role
from arc_encoder.data.batching.datamodule import ArcDataModule
from arc_encoder.data.batching.tokens import token_ids
from arc_encoder.training.module import ArcLightningModule


class CompressionRatio(Callback):
    """Logs the ratio for each validation task and decoder. It is measured once, on text alone.

    Args:
        count: samples of each validation task.
    """

    def __init__(self, count: int = 16) -> None:
        self.count = count
        self._ratios: dict[str, float] = {}

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        data = getattr(trainer, "datamodule", None)
        if trainer.sanity_checking or not isinstance(data, ArcDataModule):
            return
        assert isinstance(pl_module, ArcLightningModule)
        if not self._ratios:
            self._ratios = ratios(pl_module, data, self.count)
        for name, ratio in self._ratios.items():
            pl_module.log(f"compression_ratio/{name}", ratio)


def ratios(module: ArcLightningModule, data: ArcDataModule, count: int) -> dict[str, float]:
    """Decoder tokens of the contexts ÷ positions that they take compressed, by "decoder/task"."""
    found: dict[str, float] = {}
    compressor, tokenizer = module.model.compressor, data.collator.encoder_tokenizer
    for task_name, task in data.validation.items():
        samples = [task.sample(index, data.seed, tokenizer) for index in range(count)]
        texts = [part.text for sample in samples for part in sample.segments if part.role is Role.CONTEXT]
        vectors = sum(compressor.compressed_length(len(ids)) for ids in token_ids(texts, tokenizer))
        for name, decoder in module.model.frozen_decoders().items():
            tokens = sum(len(decoder.token_ids(text)) for text in texts)
            positions = vectors + len(texts) * compressor.head(name).extra_vectors()
            if positions:
                found[f"{name}/{task_name}"] = tokens / positions
    return found
