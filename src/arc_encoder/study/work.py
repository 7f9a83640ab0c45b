"""Running the stages of an ablation: several at once, each a command of its own, none of them twice."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event

from filelock import FileLock, Timeout
from tqdm import tqdm

from arc_encoder.errors import ArcError, ConfigError
from arc_encoder.study.stages import Stage
from arc_encoder.study.start import Start

DONE = "done"


class StageError(ArcError):
    """A command of an ablation failed."""


def run_stages(
    stages: Sequence[Stage], *, start: Start, jobs: int, options: Sequence[str] = (), progress: bool = True
) -> int:
    """Run every stage that is not finished; returns how many were run.

    What is running when one fails, or when the user interrupts, is asked to stop and goes on the next time.

    Args:
        stages: each after those that it needs.
        start: how each command is started.
        jobs: how many at once.
        options: words in front of the overrides of each, such as ``--config-dir``.
        progress: show a bar with the time left.

    Raises:
        StageError: one failed, with the end of what it printed.
        ConfigError: fewer than one job.
    """
    if jobs < 1:
        raise ConfigError(f"jobs={jobs} must be at least 1")
    finished = {stage.folder for stage in stages if is_done(stage)}
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


def is_done(stage: Stage) -> bool:
    """Whether a stage was finished, as it is described now."""
    file = stage.folder / DONE
    return file.is_file() and file.read_text(encoding="utf-8") == stage.mark


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
    part = stage.folder / f"{DONE}.part"
    part.write_text(stage.mark, encoding="utf-8")
    os.replace(part, stage.folder / DONE)


def _link(place: Path, target: Path) -> None:
    """Show `target` as `place`, by a relative link, so that the folder that holds both can be moved."""
    if place.is_symlink():
        place.unlink()
    if not place.exists():  # a folder of an older version stays
        place.symlink_to(os.path.relpath(target.resolve(), place.parent.resolve()), target_is_directory=True)
