"""A tiny model on disk, for whole runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_runs import save_tiny_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random language model with the byte tokenizer."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny") / "model")
