"""Training of a small causal language model from scratch, for the toy decoders and the toy encoder backbone.

Matrices inside the blocks are updated by Muon, everything else by AdamW: on the toy world
copying emerges in about half the tokens that AdamW alone needs.
"""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM


class ToyLanguageModel(L.LightningModule):
    """A causal language model of any Hugging Face family, trained on weighted tokens.

    Args:
        architecture: keyword arguments of the family's configuration, with `model_type`.
        steps: optimizer steps of the whole run, for the learning-rate schedule.
        lr: highest learning rate of AdamW.
        muon_lr: highest learning rate of Muon.
        warmup_steps: steps of linear warm-up; afterwards the rate falls linearly to 1 % of the highest.
        weight_decay: for both optimizers.
    """

    def __init__(
        self,
        architecture: dict[str, Any],
        *,
        steps: int,
        lr: float = 2e-3,
        muon_lr: float = 2e-2,
        warmup_steps: int = 100,
        weight_decay: float = 0.05,
    ) -> None:
        super().__init__()
        settings = dict(architecture)
        self.model = AutoModelForCausalLM.from_config(AutoConfig.for_model(settings.pop("model_type"), **settings))
        self.steps, self.lr, self.muon_lr = steps, lr, muon_lr
        self.warmup_steps, self.weight_decay = warmup_steps, weight_decay
        self.automatic_optimization = False

    def configure_optimizers(self) -> tuple[list[torch.optim.Optimizer], list[Any]]:
        embeddings = {id(p) for p in self.model.get_input_embeddings().parameters()}
        embeddings |= {id(p) for p in self.model.get_output_embeddings().parameters()}
        matrices = [p for p in self.parameters() if p.ndim == 2 and id(p) not in embeddings]
        inside = {id(p) for p in matrices}
        others = [p for p in self.parameters() if id(p) not in inside]
        optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=self.muon_lr, weight_decay=self.weight_decay, momentum=0.95),
            torch.optim.AdamW(others, lr=self.lr, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        return optimizers, [torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate) for optimizer in optimizers]

    def _rate(self, step: int) -> float:
        return min(1.0, (step + 1) / self.warmup_steps) * max(0.01, 1 - step / self.steps)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        loss, _ = self._loss(batch)
        optimizers: Any = self.optimizers()
        self.manual_backward(loss)
        torch.nn.utils.clip_grad_norm_(self.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, self.lr_schedulers(), strict=True):  # type: ignore[arg-type]
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        self.log("train/loss", loss, prog_bar=True)

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        loss, accuracy = self._loss(batch)
        self.log("val/loss", loss, prog_bar=True)
        self.log("val/answer_token_accuracy", accuracy, prog_bar=True)

    def _loss(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        ids, weights = batch
        logits = self.model(input_ids=ids[:, :-1], use_cache=False).logits
        targets, weights = ids[:, 1:], weights[:, 1:]
        losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        loss = (losses * weights.flatten()).sum() / weights.sum()
        answers = weights > 1
        return loss, (logits.argmax(-1) == targets)[answers].float().mean()
