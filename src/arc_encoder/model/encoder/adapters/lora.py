"""LoRA: low-rank matrices are trained beside frozen weights, by the library peft.

One of the compared variants, with rank 128 (Pilchen et al., 2025, §4). The library is the
extra `lora`, and is imported only where an adapter is used. A saved ARC-Encoder does not
need it: its weights are written with the adapter added in.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from arc_encoder.core.errors import ConfigError, at_least
from arc_encoder.model.encoder.adapters.base import Adapter

NAME = "default"  # what the library calls an adapter that is alone
OWN = {"lora_A", "lora_B"}
MATRICES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class LoraAdapter(Adapter):
    """Adds alpha / rank · B·A to each chosen matrix of every layer; B starts at zero, so nothing changes at first.

    Args:
        rank: rows of A and columns of B.
        alpha: how much the product counts, divided by `rank`.
        dropout: share of A's inputs that is dropped in training.
        target_modules: names of the matrices within a layer.

    Raises:
        ConfigError: a number out of range, no matrix, or the library is not installed.
    """

    def __init__(
        self,
        rank: int = 128,
        alpha: int = 128,
        dropout: float = 0.0,
        target_modules: Sequence[str] = MATRICES,
    ) -> None:
        at_least(1, "LoRA", rank=rank)
        if alpha <= 0:
            raise ConfigError(f"LoRA: alpha={alpha} must be positive, or the adapter would change nothing")
        if not 0 <= dropout < 1:
            raise ConfigError(f"LoRA: dropout={dropout} must be between 0 and 1, 1 excluded")
        if not target_modules:
            raise ConfigError(f"LoRA: target_modules is empty; choose from {', '.join(MATRICES)}")
        if importlib.util.find_spec("peft") is None:
            raise ConfigError("LoRA needs the library peft, which is not installed: pip install 'arc-encoder[lora]'")
        self.rank, self.alpha, self.dropout = rank, alpha, dropout
        self.target_modules = list(target_modules)

    def attach(self, backbone: PreTrainedModel) -> None:
        """Put the adapter beside the chosen matrices; the backbone's own weights are frozen."""
        from peft import LoraConfig, inject_adapter_in_model

        known = _matrices(backbone)
        unknown = [name for name in self.target_modules if name not in known]
        if unknown:
            raise ConfigError(
                f"LoRA: target_modules {', '.join(unknown)} are not in the layers of {type(backbone).__name__}; "
                f"its matrices are {', '.join(known)}"
            )
        config = LoraConfig(
            r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout, target_modules=self.target_modules
        )
        inject_adapter_in_model(config, backbone, adapter_name=NAME)

    def freeze_adapted(self, backbone: PreTrainedModel) -> None:
        """All but the adapter."""
        for name, parameter in backbone.named_parameters():
            if not OWN & set(name.split(".")):
                parameter.requires_grad_(False)

    @torch.no_grad()
    def merged(self, backbone: PreTrainedModel) -> dict[str, Tensor]:
        """The backbone's weights with the adapter added to the chosen matrices."""
        from peft.tuners.lora.layer import Linear

        adapted = {f"{name}.weight": module for name, module in backbone.named_modules() if isinstance(module, Linear)}
        weights = {}
        for name, tensor in backbone.state_dict().items():
            parts = name.split(".")
            if OWN & set(parts):
                continue
            plain = ".".join(part for part in parts if part != "base_layer")
            weights[plain] = tensor + adapted[plain].get_delta_weight(NAME) if plain in adapted else tensor
        return weights


def _matrices(backbone: Any) -> list[str]:
    """Names of the matrices of a backbone's layers, each once, in their order."""
    return list(
        dict.fromkeys(
            name.rsplit(".", 1)[-1] for name, module in backbone.layers.named_modules() if isinstance(module, nn.Linear)
        )
    )
