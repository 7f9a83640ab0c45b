"""How the commands of an ablation are started: afresh, or from a process that has loaded the libraries already."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import IO

MODULES = {"arc-train": "arc_encoder.cli.train", "arc-eval": "arc_encoder.cli.evaluate"}


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


class Afresh(Start):
    """Each command as a program of its own, as a shell would start it.

    Trainings on several devices need this: they start further processes from their own command line.
    """

    def __call__(self, command: str, words: Sequence[str], log: Path) -> Running:
        with log.open("a", encoding="utf-8") as output:
            return _Program([sys.executable, "-m", MODULES[command], *words], output)


class Warm(Start):
    """Each command in a process forked from one that has imported torch, Lightning and Transformers.

    Importing them takes about ten seconds of a CPU. The process that is forked does nothing else, so no thread
    and no device is in use when it is.
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
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    sys.argv = [command, *words]
    sys.exit(importlib.import_module(module).main())
