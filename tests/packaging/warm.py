"""Console commands in processes that are forked from one that has imported everything: seconds less for each.

What such a process does not share with a command that is started afresh (a script of its own, which DDP starts again;
`torchrun`, `python`) is left to a shell.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

import torch

from arc_encoder.commands.catalogue import COMMANDS as CATALOGUE

COMMANDS = {entry.name: entry for entry in entry_points(group="console_scripts") if entry.name.startswith("arc-")}
ASSIGNMENT = re.compile(r"[A-Z_]+=")
AFRESH = ("trainer=ddp", "trainer=fsdp", "workers=", "engine=ray")  # processes of a process

FORKSERVER = multiprocessing.get_context("forkserver")
# Commands import what they need when they run; here it is imported once.
FORKSERVER.set_forkserver_preload(
    [
        "torch",
        "lightning.pytorch",
        "transformers.models.llama.modeling_llama",
        "sacrebleu",
        "arc_encoder.config.building.training",
        "arc_encoder.config.building.evaluation",
        "arc_encoder.config.validation.check",
        "arc_encoder.evaluation.reporting.page",
        "arc_encoder.inference",
        "arc_encoder.tools.quickstart",
        *(f"arc_encoder.commands.{each.module}" for name, each in CATALOGUE.items() if name != "lm-eval"),
    ]
)


def run(folder: Path, command: str, environment: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run one line of a documentation's shell block in `folder`."""
    words = shlex.split(command)
    count = next((i for i, word in enumerate(words) if not ASSIGNMENT.match(word)), len(words))
    assigned, words = dict(word.split("=", 1) for word in words[:count]), words[count:]
    if words[0] not in COMMANDS or any(each in word for word in words for each in AFRESH):
        return subprocess.run(
            command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout
        )
    with tempfile.TemporaryDirectory() as scratch:
        files = [str(Path(scratch) / name) for name in ("stdout", "stderr")]
        process = FORKSERVER.Process(target=_run, args=(str(folder), words, {**environment, **assigned}, *files))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(command, timeout)
        out, err = (Path(file).read_text(errors="replace") for file in files)
    return subprocess.CompletedProcess(command, process.exitcode, out, err)


def _run(folder: str, words: list[str], environment: dict[str, str], out: str, err: str) -> None:
    """In the new process: be what the console script would be."""
    for number, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    torch.set_num_threads(1)  # OpenMP's threads do not survive a fork
    multiprocessing.set_start_method("fork", force=True)  # what a process has that was started afresh
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[:0] = [str(Path(folder) / each) for each in environment.get("PYTHONPATH", "").split(os.pathsep) if each]
    sys.argv = [str(Path(sys.executable).parent / words[0]), *words[1:]]
    sys.exit(COMMANDS[words[0]].load()())
