"""Low-rank changes to a decoder's matrices, for baselines that train the decoder too (PISCO, Louis et al., 2025).

The decoder's own weights stay as they are: the changes are kept with the ARC-Encoder, and act only while
an `ArcForCausalLM` with that ARC-Encoder computes. Shape legend: R rank, I and O inputs and outputs of a matrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from arc_encoder.core.errors import CheckpointError, ConfigError

MATRICES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class DecoderLora:
    """What is changed in a decoder, as a configuration says it.

    Args:
        rank: R of every change.
        alpha: how much a change counts, divided by `rank`.
        target_modules: names of the matrices within a layer.

    Raises:
        ConfigError: a number out of range, or no matrix.
    """

    def __init__(self, rank: int = 16, alpha: int = 32, target_modules: Sequence[str] = MATRICES) -> None:
        if rank < 1 or alpha <= 0:
            raise ConfigError(f"decoder adapter: rank={rank} and alpha={alpha} must be positive")
        if not target_modules:
            raise ConfigError(f"decoder adapter: target_modules is empty; choose from {', '.join(MATRICES)}")
        self.rank, self.alpha, self.target_modules = rank, alpha, list(target_modules)

    def settings_for(self, model: nn.Module) -> dict[str, Any]:
        """Settings of the `DecoderAdapter` for a decoder.

        Raises:
            ConfigError: a matrix that the decoder does not have.
        """
        found = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
        ends = {name.rsplit(".", 1)[-1] for name in found}
        unknown = [name for name in self.target_modules if name not in ends]
        if unknown:
            raise ConfigError(
                f"decoder adapter: target_modules {', '.join(unknown)} are not in {type(model).__name__}; "
                f"its matrices are {', '.join(sorted(ends))}"
            )
        matrices = {
            name: [module.in_features, module.out_features]
            for name, module in found.items()
            if name.rsplit(".", 1)[-1] in self.target_modules
        }
        return {"rank": self.rank, "alpha": self.alpha, "matrices": matrices}


class DecoderAdapter(nn.Module):
    """alpha / rank · B·A for each chosen matrix; B starts at zero, so nothing changes at first.

    Args:
        rank: R.
        matrices: name of the module in the decoder → (I, O).
    """

    def __init__(self, rank: int, alpha: int, matrices: Mapping[str, Sequence[int]]) -> None:
        super().__init__()
        self.scale = alpha / rank
        self.names = sorted(matrices)  # a saved configuration does not keep its order
        sizes = [matrices[name] for name in self.names]
        self.a = nn.ParameterList(nn.Parameter(torch.empty(rank, inputs)) for inputs, _ in sizes)
        self.b = nn.ParameterList(nn.Parameter(torch.empty(outputs, rank)) for _, outputs in sizes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """A drawn as a linear layer's weights, B zero."""
        for a, b in zip(self.a, self.b, strict=True):
            nn.init.kaiming_uniform_(a, a=5**0.5)
            nn.init.zeros_(b)

    def check(self, decoder: str, model: nn.Module) -> None:
        """Raise `CheckpointError` unless `model` has the matrices that are changed."""
        modules = dict(model.named_modules())
        for name, a, b in zip(self.names, self.a, self.b, strict=True):
            module = modules.get(name)
            if not isinstance(module, nn.Linear) or module.weight.shape != (b.shape[0], a.shape[1]):
                raise CheckpointError(
                    f"the adapter of decoder {decoder!r} changes a matrix {name} of {a.shape[1]} inputs and {b.shape[0]} "
                    "outputs, which this decoder does not have: it was trained for another decoder"
                )

    @contextmanager
    def active(self, model: nn.Module) -> Iterator[None]:
        """Within it, `model` computes with the changes."""
        modules = dict(model.named_modules())
        handles = [
            modules[name].register_forward_hook(_change(a, b, self.scale))
            for name, a, b in zip(self.names, self.a, self.b, strict=True)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _change(a: Tensor, b: Tensor, scale: float) -> Any:
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        here = inputs[0]
        small = nn.functional.linear(here.to(a.dtype), a.to(here.device))
        return output + scale * nn.functional.linear(small, b.to(here.device)).to(output.dtype)

    return hook
