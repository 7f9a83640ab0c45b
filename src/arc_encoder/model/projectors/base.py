"""What a projector is: encoder width → decoder width.

To add one: subclass `Projector`, and name the class in a YAML file of `configs/model/projector`.
Constructor arguments other than the widths must be stored under their own names.
"""

from __future__ import annotations

import inspect
import math
from typing import Any, ClassVar

from torch import Tensor, nn

from arc_encoder.errors import CheckpointError, ConfigError


class Projector(nn.Module):
    """Base class: maps (…, in_dim) to (…, out_dim)."""

    registry: ClassVar[dict[str, type[Projector]]] = {}
    last_matrix: ClassVar[str | None] = None  # attribute of the last linear map, whose zeros make the output zero

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Projector.registry[cls.__name__] = cls

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
                f"{cls.__name__} names no `last_matrix`, so its output cannot begin at zero beside a start; choose model/start=none "
                "or a projector that ends in a linear map, such as mlp"
            )

    def start_from_zero(self) -> None:
        """Let the output begin at zero, beside a start that already says something."""
        self.check_start()
        nn.init.zeros_(self.get_submodule(str(self.last_matrix)).weight)  # type: ignore[arg-type]

    def forward(self, vectors: Tensor) -> Tensor:
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """Constructor arguments, widths included, as plain values that JSON can hold."""
        return {
            name: getattr(self, name) for name in inspect.signature(type(self).__init__).parameters if name != "self"
        }

    @classmethod
    def from_settings(cls, name: str, settings: dict[str, Any]) -> Projector:
        """Build the projector called `name`; only classes that are already imported are considered.

        Raises:
            CheckpointError: no such projector is known.
        """
        if name not in cls.registry:
            known = ", ".join(sorted(cls.registry))
            raise CheckpointError(
                f"projector {name!r} is unknown here; import the module that defines it first. Known: {known}"
            )
        return cls.registry[name](**settings)
