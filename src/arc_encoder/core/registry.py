"""Kinds whose implementations are found by their class's name, and made again from plain settings.

A saved configuration names a class and holds its constructor's arguments. Only classes that are already imported are
considered: loading a file never imports code that the file names.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from arc_encoder.core.errors import CheckpointError


class Registered:
    """Base of such a kind, which says what it is called: ``class Pooling(Registered, nn.Module, kind="pooling")``.

    Constructor arguments of its subclasses must be stored under their own names.
    """

    kind: ClassVar[str]
    registry: ClassVar[dict[str, type[Any]]]

    def __init_subclass__(cls, *, kind: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if kind is not None:
            cls.kind, cls.registry = kind, {}
        else:
            cls.registry[cls.__name__] = cls

    def settings(self) -> dict[str, Any]:
        """Constructor arguments, as plain values that JSON can hold."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    @classmethod
    def from_settings(cls, name: str, settings: Mapping[str, Any]) -> Self:
        """Build the implementation called `name`.

        Raises:
            CheckpointError: none of that name is known.
        """
        if name not in cls.registry:
            known = ", ".join(sorted(cls.registry))
            raise CheckpointError(
                f"{cls.kind} {name!r} is unknown here; import the module that defines it first. Known: {known}"
            )
        made: Self = cls.registry[name](**settings)
        return made
