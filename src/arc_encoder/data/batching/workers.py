"""Processes that prepare batches: a signal to the whole run is for the training process alone, which ends them.

A terminal sends Ctrl-C to every process of a run, and so does a cluster with its signals. A worker that died of it
would break the step that the training process still finishes and saves.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

from lightning.fabric.utilities.seed import pl_worker_init_function

IGNORED = (signal.SIGINT, signal.SIGUSR1)


def init_worker(number: int) -> None:
    """Set up worker `number` of a data loader: its signals, and its seeds where the run asked for that.

    The first SIGTERM passes and the second ends it, so that nothing keeps a worker that hangs. All of them end when
    the training process does.
    """
    for each in IGNORED:
        signal.signal(each, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _pass_once)
    if os.environ.get("PL_SEED_WORKERS") == "1":  # Lightning's own function, which it leaves out beside another one
        pl_worker_init_function(number)


def _pass_once(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
