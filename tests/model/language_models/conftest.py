"""A folder for models of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`ARC_MODELS`, not there yet."""
    folder = tmp_path / "models"
    monkeypatch.setenv("ARC_MODELS", str(folder))
    return folder
