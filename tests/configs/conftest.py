"""Commands run in this process, in an empty folder, on a tiny random model."""

from __future__ import annotations

from tests.commands.conftest import make, tiny_model, trained

__all__ = ["make", "tiny_model", "trained"]
