"""The fixtures of the commands' tests, for the ways through them that are tested here."""

from __future__ import annotations

from tests.commands.conftest import make, tiny_model, trained

__all__ = ["make", "tiny_model", "trained"]
