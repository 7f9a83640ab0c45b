"""DecoderGuard: proves that no weight of a decoder changed while training ran."""

from __future__ import annotations

import lightning as L
from lightning.pytorch.callbacks import Callback

from arc_encoder.core.errors import ArcError
from arc_encoder.training.module import ArcLightningModule


class DecoderChangedError(ArcError):
    """A decoder's weights are not what they were when training began."""


class DecoderGuard(Callback):
    """Compares SHA-256 fingerprints of every decoder at the start, at the end and at every export of a run.

    The fingerprints also go into checkpoints: a run that is resumed must find the same decoders.
    """

    def __init__(self) -> None:
        self.fingerprints: dict[str, str] = {}
        self._proved_at: int | None = None  # optimizer step of the last comparison

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        now = self._fingerprints(pl_module)
        if self.fingerprints:
            self._compare(
                now,
                "the checkpoint was written with other decoder weights; resume with the decoders it was trained with",
            )
        self.fingerprints, self._proved_at = now, None

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.prove(trainer, pl_module)

    def prove(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compare now, unless this step's decoders were compared already.

        Raises:
            DecoderChangedError: a decoder is not what it was.
        """
        if self._proved_at == trainer.global_step:
            return
        self._compare(
            self._fingerprints(pl_module),
            "a frozen decoder was changed during training; look for code that writes to its weights",
        )
        self._proved_at = trainer.global_step

    def state_dict(self) -> dict[str, str]:
        return dict(self.fingerprints)

    def load_state_dict(self, state_dict: dict[str, str]) -> None:
        self.fingerprints = dict(state_dict)

    def _compare(self, now: dict[str, str], advice: str) -> None:
        for name, fingerprint in now.items():
            before = self.fingerprints.get(name, fingerprint)
            if before != fingerprint:
                raise DecoderChangedError(
                    f"decoder {name!r}: fingerprint {fingerprint[:12]} instead of {before[:12]}: {advice}"
                )

    @staticmethod
    def _fingerprints(pl_module: L.LightningModule) -> dict[str, str]:
        assert isinstance(pl_module, ArcLightningModule)
        return {name: decoder.fingerprint() for name, decoder in pl_module.model.frozen_decoders().items()}
