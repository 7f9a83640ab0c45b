"""TakeOff: at which step the decoder begins to read its vectors.

A frozen decoder first learns that vectors are noise, and only later, if at all, that they say something: the loss
stays near that of no context for long, and then falls at once. The surviving share tells both states apart:
(loss without context − loss with vectors) ÷ (loss without context − loss with the text), on held-out samples at the
model's own pooling factor. An encoder has *taken off* when the share reaches `threshold` for the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.errors import ConfigError, at_least
from arc_encoder.core.segments import Sample, TaskToken
from arc_encoder.data.batching.datamodule import ArcDataModule
from arc_encoder.data.batching.reference import as_text, with_start, without_contexts
from arc_encoder.training.module import ArcLightningModule


@dataclass(frozen=True)
class Probe:
    """Held-out samples of one decoder, and the decoder's loss on them in nats a token without context and with the text."""

    batch: ArcBatch
    without: float
    text: float

    def share(self, loss: float) -> float:
        """Share of the context's benefit that survives at `loss`."""
        gain = self.without - self.text
        return (self.without - loss) / gain if gain > 0 else 0.0


class TakeOff(Callback):
    """Logs `train/surviving_share/<decoder>` and, once reached by every decoder, `train/took_off_at`.

    Args:
        every_n_steps: optimizer steps between two measurements.
        threshold: share from which on an encoder counts as taken off.
        samples: held-out samples that are measured.
        task: validation task that is measured; None takes the first that reconstructs, or else the first.

    Raises:
        ConfigError: numbers that cannot be, or a validation task that is not there.
    """

    def __init__(
        self, every_n_steps: int = 25, threshold: float = 0.3, samples: int = 32, task: str | None = None
    ) -> None:
        at_least(1, "take-off", every_n_steps=every_n_steps, samples=samples)
        if not 0 < threshold < 1:
            raise ConfigError(f"take-off: threshold={threshold} must be between 0 and 1")
        self.every_n_steps, self.threshold, self.samples, self.task = every_n_steps, threshold, samples, task
        self.took_off_at: int | None = None
        self._probes: dict[str, Probe] = {}

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: ArcBatch, batch_idx: int
    ) -> None:
        data = getattr(trainer, "datamodule", None)
        if trainer.global_step % self.every_n_steps or not isinstance(data, ArcDataModule) or not data.validation:
            return
        if (batch_idx + 1) % trainer.accumulate_grad_batches:  # the step is not done yet
            return
        assert isinstance(pl_module, ArcLightningModule)
        with evaluating(pl_module), trainer.precision_plugin.forward_context():
            if not self._probes:
                self._probes = self._make_probes(pl_module, data)
            shares = {name: probe.share(_loss(pl_module, probe.batch)) for name, probe in self._probes.items()}
        for name, share in shares.items():
            pl_module.log(f"train/surviving_share/{name}", share)
        if self.took_off_at is None and min(shares.values()) >= self.threshold:
            self.took_off_at = trainer.global_step
        if self.took_off_at is not None:
            pl_module.log("train/took_off_at", float(self.took_off_at))

    def _make_probes(self, module: ArcLightningModule, data: ArcDataModule) -> dict[str, Probe]:
        if self.task is not None and self.task not in data.validation:
            raise ConfigError(
                f"take-off: task={self.task!r} is no validation task; there are: {', '.join(data.validation)}"
            )
        drawn = {
            name: [task.sample(i, data.seed, data.collator.encoder_tokenizer) for i in range(self.samples)]
            for name, task in data.validation.items()
            if self.task in (None, name)
        }
        chosen = next(
            (name for name, samples in drawn.items() if samples[0].task_token is TaskToken.RECONSTRUCT),
            next(iter(drawn)),
        )
        samples = drawn[chosen]

        def batch_of(decoder: str, change: Callable[[Sample], Sample]) -> ArcBatch:
            text = data.collator.decoders[decoder]
            end = str(text.tokenizer.eos_token)
            changed = [with_start(change(each), bos=text.bos, chat=text.chat, end_of_text=end) for each in samples]
            return data.collator(changed, decoder=decoder, task=chosen).to(module.device)

        return {
            name: Probe(
                batch_of(name, lambda sample: sample),
                _loss(module, batch_of(name, without_contexts)),
                _loss(module, batch_of(name, as_text)),
            )
            for name in module.model.decoders
        }

    def state_dict(self) -> dict[str, Any]:
        return {"took_off_at": self.took_off_at}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.took_off_at = state_dict["took_off_at"]


@contextmanager
def evaluating(module: ArcLightningModule) -> Iterator[None]:
    """Within it nothing is learned, and no dropout draws random numbers."""
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(training)


def _loss(module: ArcLightningModule, batch: ArcBatch) -> float:
    return float(module.model(batch).loss)
