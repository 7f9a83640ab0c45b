"""Running the stages of an ablation: several at once, each a command of its own, none of them twice.

A stage's file `done` says what was done, which makings of other stages it was made from, and, in its last line, a
name of this making. So a stage is made again when what it was made from has been.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event

from filelock import FileLock, Timeout
from tqdm import tqdm

from arc_encoder.core.atomic import write_text_atomically
from arc_encoder.core.errors import ArcError, at_least
from arc_encoder.tools.ablation.stages import Stage
from arc_encoder.tools.ablation.start import Start

DONE = "done"
BEGUN = "begun"  # what a stage was begun from, as `done` will say it
CHECKPOINTS = "checkpoints"  # of a training, which is resumed from them


class StageError(ArcError):
    """A command of an ablation failed."""


def run_stages(
    stages: Sequence[Stage], *, start: Start, jobs: int, options: Sequence[str] = (), progress: bool = True
) -> int:
    """Run every stage that is not finished; returns how many were run.

    What is running when one fails, or when the user interrupts, is asked to stop, and resumed the next time.

    Raises:
        StageError: one failed, with the end of what it printed.
        ConfigError: fewer than one job.
    """
    at_least(1, jobs=jobs)
    finished = finished_folders(stages)
    waiting = [stage for stage in stages if stage.folder not in finished]
    count, stop = len(waiting), Event()
    running: dict[Future[None], Stage] = {}
    with (
        ThreadPoolExecutor(jobs) as pool,
        tqdm(total=count, unit="stage", disable=not progress) as bar,
    ):
        try:
            while waiting or running:
                ready = [stage for stage in waiting if set(stage.after) <= finished]
                for stage in ready[: jobs - len(running)]:
                    waiting.remove(stage)
                    running[pool.submit(_run, stage, start, options, stop)] = stage
                bar.set_description("; ".join(stage.title for stage in running.values()))
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    stage = running.pop(future)
                    future.result()
                    finished.add(stage.folder)
                    bar.update()
        finally:
            stop.set()  # nothing is left running, whatever ended the loop
    return count


def finished_folders(stages: Sequence[Stage]) -> set[Path]:
    """Folders of the stages that need not run: finished themselves, like all that they were made from."""
    finished: set[Path] = set()
    for stage in stages:
        if set(stage.after) <= finished and is_done(stage):
            finished.add(stage.folder)
    return finished


def is_done(stage: Stage) -> bool:
    """Whether a stage was finished as it is described now, from what its folders `after` hold now."""
    return "".join(_lines(stage.folder / DONE)[:-1]) == _made_from(stage)


def _made_from(stage: Stage) -> str:
    """What a stage does, and which makings of other stages it does it with."""
    makings = [(_lines(folder / DONE) or ["none\n"])[-1] for folder in stage.after]
    return stage.mark + "".join(f"after {making}" for making in makings)


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines(keepends=True) if file.is_file() else []


def _run(stage: Stage, start: Start, options: Sequence[str], stop: Event) -> None:
    """Run one stage, or wait until another ablation, which needs it too, has run it."""
    stage.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(stage.folder / "lock")
    while not stop.is_set():
        try:
            with lock.acquire(timeout=0.5):
                if not is_done(stage):
                    _run_alone(stage, start, options, stop)
                return
        except Timeout:
            continue


def _run_alone(stage: Stage, start: Start, options: Sequence[str], stop: Event) -> None:
    for name, target in stage.links.items():
        _link(stage.folder / name, target)
    made_from = _made_from(stage)  # before it begins: what is made again meanwhile does not count
    _begin(stage, made_from)
    log = stage.folder / f"{stage.command}.log"
    running = start(stage.command, [*options, *stage.words], log)
    while (status := running.wait(0.2)) is None:
        if stop.is_set():
            running.terminate()
            running.wait()
            return
    if status != 0:
        end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
        raise StageError(f"{stage.title} failed with status {status}. The end of {log}:\n{end}")
    write_text_atomically(stage.folder / DONE, f"{made_from}made {uuid.uuid4().hex}\n")


def _begin(stage: Stage, made_from: str) -> None:
    """Note what a stage is made from; checkpoints that were made from something else are not resumed."""
    begun = stage.folder / BEGUN
    checkpoints = stage.folder / CHECKPOINTS
    if stage.after and checkpoints.is_dir() and "".join(_lines(begun)) != made_from:
        shutil.rmtree(checkpoints)
    write_text_atomically(begun, made_from)


def _link(place: Path, target: Path) -> None:
    """Show `target` as `place`, by a relative link, so that the folder that holds both can be moved."""
    if place.is_symlink():
        place.unlink()
    if not place.exists():  # a folder of an older version stays
        place.symlink_to(os.path.relpath(target.resolve(), place.parent.resolve()), target_is_directory=True)
