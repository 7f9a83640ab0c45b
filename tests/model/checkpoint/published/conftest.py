"""Commands in a folder of the test's own."""

from __future__ import annotations

from tests.commands.conftest import make

__all__ = ["make"]  # a fixture of the commands' tests
