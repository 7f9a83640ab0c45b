"""What a start is: what a compressed vector begins as, before anything is learned.

Shape legend: C contexts, M vectors, D encoder width, E decoder width.

The projector's output is added to it, and begins at zero. So a frozen decoder sees something that it can read
from the first step on, and the encoder learns what to change, rather than everything at once.

To add one: subclass `Start`, and name the class in a YAML file of `configs/model/start`. Constructor arguments
other than the widths must be stored under their own names.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from arc_encoder.errors import CheckpointError


class Start(nn.Module):
    """Base class: maps the mean token embedding of each group (…, in_dim) to (…, out_dim).

    Args:
        in_dim: width D of the encoder's token embeddings.
        out_dim: width E of the decoder's.
    """

    registry: ClassVar[dict[str, type[Start]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Start.registry[cls.__name__] = cls

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.in_dim, self.out_dim = in_dim, out_dim

    @abstractmethod
    def fit(self, encoder: Tensor, decoder: Tensor) -> None:
        """Set the starting weights from the embeddings (N, D) and (N, E) of the N tokens that both models know."""

    @abstractmethod
    def forward(self, means: Tensor) -> Tensor:
        """Mean token embeddings (C, M, D) → what the vectors begin as, (C, M, E)."""

    def settings(self) -> dict[str, Any]:
        """Constructor arguments, widths included, as plain values that JSON can hold."""
        return {
            name: getattr(self, name) for name in inspect.signature(type(self).__init__).parameters if name != "self"
        }

    @classmethod
    def from_settings(cls, name: str, settings: dict[str, Any]) -> Start:
        """Build the start called `name`; only classes that are already imported are considered.

        Raises:
            CheckpointError: no such start is known.
        """
        if name not in cls.registry:
            known = ", ".join(sorted(cls.registry))
            raise CheckpointError(
                f"start {name!r} is unknown here; import the module that defines it first. Known: {known}"
            )
        return cls.registry[name](**settings)
