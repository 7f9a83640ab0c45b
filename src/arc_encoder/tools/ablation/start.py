"""How the commands of an ablation are started: afresh, or from a process that has loaded the libraries already."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import IO

MODULES = {
    "arc-train": "arc_encoder.commands.experiments.train",
    "arc-eval": "arc_encoder.commands.experiments.evaluate",
}


class Running(ABC):
    """A command that was started."""

    @abstractmethod
    def wait(self, seconds: float | None = None) -> int | None:
        """Its exit status, or None if it still runs after `seconds`."""

    @abstractmethod
    def terminate(self) -> None:
        """Ask it to stop (SIGTERM)."""


class Start(ABC):
    """Starts commands."""

    @abstractmethod
    def __call__(self, command: str, words: Sequence[str], log: Path) -> Running:
        """Start `command` (arc-train or arc-eval) with `words`; what it prints is added to the file `log`."""


class FreshProcess(Start):
    """Each command as a program of its own, as a shell would start it.

    Trainings on several devices need this: they start further processes from their own command line.

    If the process that started them is killed outright (SIGKILL), they keep running, and nothing keeps a second arc-ablate
    from starting the same training in the same folder: end them first.
    """

    def __call__(self, command: str, words: Sequence[str], log: Path) -> Running:
        with log.open("a", encoding="utf-8") as output:
            return _Program([sys.executable, "-m", MODULES[command], *words], output)


class ForkedProcess(Start):
    """Each command in a process forked from one that has imported torch, Lightning and Transformers.

    Importing them takes about ten seconds of a CPU. The process that is forked does nothing else, so no thread
    and no device is in use when it is. A command is asked to stop if the process that started it is gone,
    whatever ended that.
    """

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(list(MODULES.values()))

    def __call__(self, command: str, words: Sequence[str], log: Path) -> Running:
        process = self.context.Process(target=_be, args=(command, MODULES[command], list(words), str(log)))
        process.start()
        return _Forked(process)


class _Program(Running):
    def __init__(self, command: Sequence[str], output: IO[str]) -> None:
        self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    def wait(self, seconds: float | None = None) -> int | None:
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        self.process.terminate()


class _Forked(Running):
    def __init__(self, process: multiprocessing.process.BaseProcess) -> None:
        self.process = process

    def wait(self, seconds: float | None = None) -> int | None:
        self.process.join(seconds)
        return self.process.exitcode

    def terminate(self) -> None:
        self.process.terminate()


def _be(command: str, module: str, words: list[str], log: str) -> None:
    """In the forked process: be the command, with its output in `log`."""
    threading.Thread(target=_stop_with_starter, daemon=True).start()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    sys.argv = [command, *words]
    sys.exit(importlib.import_module(module).main())


def _stop_with_starter() -> None:
    """Send ourselves SIGTERM once the process that started us is gone: a training then saves and leaves."""
    starter = multiprocessing.parent_process()  # not the one that forked us, which lives as long as we do
    if starter is not None:
        wait([starter.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
