"""FreeReconstruction: what the decoder writes from the vectors alone, letter by letter against the text.

The teacher-forced loss shows the decoder every earlier word of the text; here it has only its own. So this says
what a compressed context really tells.
"""

from __future__ import annotations

import lightning as L
from lightning.pytorch.callbacks import Callback
from torchmetrics.functional.text import char_error_rate

from arc_encoder.core.errors import at_least
from arc_encoder.core.segments import TaskToken
from arc_encoder.data.batching.datamodule import ArcDataModule
from arc_encoder.training.callbacks.samples.text_samples import prompt_of
from arc_encoder.training.module import ArcLightningModule


class FreeReconstruction(Callback):
    """Logs `val/character_error_rate/<decoder>/<task>` (0 is perfect) of every validation task that reconstructs.

    Args:
        count: samples of each task and decoder.

    Raises:
        ConfigError: a count below 1.
    """

    def __init__(self, count: int = 8) -> None:
        at_least(1, "free reconstruction", count=count)
        self.count = count

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        data = getattr(trainer, "datamodule", None)
        if trainer.sanity_checking or not isinstance(data, ArcDataModule):
            return
        assert isinstance(pl_module, ArcLightningModule)
        for name, task in data.validation.items():
            samples = [task.sample(i, data.seed, data.collator.encoder_tokenizer) for i in range(self.count)]
            if any(sample.task_token is not TaskToken.RECONSTRUCT for sample in samples):
                continue
            texts = [sample.segments[-1].text for sample in samples]
            for decoder in pl_module.model.decoders:
                tokens = max(len(pl_module.model.decoder(decoder).token_ids(text)) for text in texts)
                batch = data.collator([prompt_of(sample) for sample in samples], decoder=decoder, task=name)
                written = pl_module.model.generate(batch.to(pl_module.device), max_new_tokens=tokens)
                pl_module.log(f"val/character_error_rate/{decoder}/{name}", char_error_rate(written, texts))
