"""What a projector is: encoder width → decoder width.

To add one: subclass `Projector`, and name the class in a YAML file of `configs/model/projector`.
Constructor arguments other than the widths must be stored under their own names.
"""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor, nn

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.registry import Registered


class Projector(Registered, nn.Module, kind="projector"):
    """Base class: maps (…, in_dim) to (…, out_dim)."""

    last_matrix: ClassVar[str | None] = None  # attribute of the last linear map, whose zeros make the output zero

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.in_dim, self.out_dim = in_dim, out_dim

    def reset_parameters(self) -> None:
        """Kaiming-uniform with a = √5 for every matrix, as in the method."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5))

    @classmethod
    def check_start(cls) -> None:
        """Refuse a projector that has no room for a start beside it.

        Raises:
            ConfigError: its output cannot begin at zero.
        """
        if cls.last_matrix is None:
            raise ConfigError(
                f"{cls.__name__} names no `last_matrix`, so its output cannot begin at zero beside a start; choose no start or a projector that ends in a linear map, such as mlp"
            )

    def start_from_zero(self) -> None:
        """Let the output begin at zero, beside a start that already says something."""
        self.check_start()
        nn.init.zeros_(self.get_submodule(str(self.last_matrix)).weight)  # type: ignore[arg-type]

    def forward(self, vectors: Tensor) -> Tensor:
        raise NotImplementedError
