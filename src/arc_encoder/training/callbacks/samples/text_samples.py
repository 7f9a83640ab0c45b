"""TextSamples: what the decoder makes of compressed contexts, as text in TensorBoard."""

from __future__ import annotations

from dataclasses import replace

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from arc_encoder.core.segments import Role, Sample
from arc_encoder.data.batching.datamodule import ArcDataModule
from arc_encoder.training.module import ArcLightningModule


class TextSamples(Callback):
    """After each validation, generates the target of a few validation samples and logs both.

    Args:
        count: samples of each validation task and decoder.
        max_new_tokens: longest generation.
    """

    def __init__(self, count: int = 2, max_new_tokens: int = 64) -> None:
        self.count, self.max_new_tokens = count, max_new_tokens

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        data = getattr(trainer, "datamodule", None)
        boards = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        if trainer.sanity_checking or not boards or not isinstance(data, ArcDataModule):
            return
        assert isinstance(pl_module, ArcLightningModule)
        # All processes generate the same texts, as sharded weights are gathered together; the first one writes them.
        for decoder in pl_module.model.decoders:
            for name, task in data.validation.items():
                samples = [task.sample(i, data.seed, data.collator.encoder_tokenizer) for i in range(self.count)]
                batch = data.collator([prompt_of(sample) for sample in samples], decoder=decoder, task=name)
                texts = pl_module.model.generate(batch.to(pl_module.device), max_new_tokens=self.max_new_tokens)
                for board in boards:
                    board.experiment.add_text(
                        f"samples/{decoder}/{name}", as_table(samples, texts), trainer.global_step
                    )


def prompt_of(sample: Sample) -> Sample:
    """The sample up to its last target."""
    last = max(i for i, segment in enumerate(sample.segments) if segment.role is Role.TARGET)
    return replace(sample, segments=sample.segments[:last], end_of_text=False)


def as_table(samples: list[Sample], texts: list[str]) -> str:
    """Markdown table of expected and generated text."""
    rows = ["| expected | generated |", "|---|---|"]
    for sample, text in zip(samples, texts, strict=True):
        cells = [cell.strip().replace("|", "\\|").replace("\n", " ↵ ") for cell in (sample.segments[-1].text, text)]
        rows.append(f"| {cells[0]} | {cells[1]} |")
    return "\n".join(rows)
