"""Where a frozen decoder's weights are kept, and where they compute.

Usually beside the ARC-Encoder. With several decoders, or a small GPU, a decoder may have a device of
its own, or rest in main memory between the steps that are its turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from arc_encoder.core.errors import ConfigError


class Placement:
    """Moves the weights of one frozen model.

    Weights that rest are kept in main memory all the time: since they never change, nothing is copied back.

    Args:
        device: a device of its own, such as ``cuda:1`` or ``cpu``; None computes where the ARC-Encoder does.

    Raises:
        ConfigError: a device that does not exist here.
    """

    def __init__(self, model: nn.Module, device: str | None = None, *, offload: bool = False) -> None:
        self.own, self.offload = None if device is None else existing_device(device), offload
        self._model = model
        self._resting: dict[int, Tensor] = {}  # by the moved tensor, the one in main memory that it was made of

    @property
    def managed(self) -> bool:
        """Whether the weights are moved here, and not with the rest of the model."""
        return self.offload or self.own is not None

    def onload(self, home: torch.device) -> None:
        """Have the weights where they compute; `home` is where the ARC-Encoder does."""
        device = self.own or home
        if not self.managed or all(tensor.device == device for _, _, tensor in _slots(self._model)):
            return
        moved: dict[int, Tensor] = {}  # a weight that is shared stays shared
        for slots, name, tensor in list(_slots(self._model)):
            if id(tensor) not in moved:
                resting = _paged(tensor) if self.offload and device.type == "cuda" else tensor
                copied = resting.to(device, non_blocking=True)
                moved[id(tensor)] = nn.Parameter(copied, False) if isinstance(tensor, nn.Parameter) else copied
                if self.offload:
                    self._resting[id(moved[id(tensor)])] = resting
            slots[name] = moved[id(tensor)]

    def release(self) -> None:
        """Give the memory back, if these weights rest between their turns."""
        if not self._resting:
            return
        for slots, name, tensor in list(_slots(self._model)):
            slots[name] = self._resting[id(tensor)]
        self._resting = {}


def _slots(model: nn.Module) -> Iterator[tuple[dict[str, Any], str, Tensor]]:
    """Every place where a module keeps a weight or a buffer."""
    for module in model.modules():
        for slots in (module._parameters, module._buffers):
            for name, tensor in slots.items():
                if tensor is not None:
                    yield slots, name, tensor


def _paged(tensor: Tensor) -> Tensor:
    """The same weight in page-locked memory, which is copied faster to a GPU."""
    if tensor.is_pinned():
        return tensor
    pinned = tensor.detach().pin_memory()
    return nn.Parameter(pinned, False) if isinstance(tensor, nn.Parameter) else pinned


def existing_device(name: str) -> torch.device:
    """A device of this machine.

    Raises:
        ConfigError: no such device.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"decoder device {name!r} is unknown: {error}; give cpu, cuda:1, …, or null") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"decoder device {name!r} is not here: this machine has {torch.cuda.device_count()} GPUs; choose another or null"
        )
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device
