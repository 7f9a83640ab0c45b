"""Shared fixtures: threads, offline hub, and small random models made here."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
import torch
from absl import logging as absl_logging

# rouge-score logs by absl, whose handler closes the stream that it saw at first as soon as Hydra sets up logging.
# Under pytest that stream would be the capture's.
absl_logging.get_absl_handler().python_handler.stream = sys.__stderr__
pytest_plugins = ["tests.distribution"]
torch.set_num_threads(1)  # the models are tiny: more threads only wait for one another


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
