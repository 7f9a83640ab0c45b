"""Resuming a run: which checkpoint it continues from, and what has changed since that was written."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from lightning.fabric.utilities.rank_zero import rank_zero_only

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.core.run_folder.lock import lock_run_folder
from arc_encoder.core.run_folder.record import (
    changed_settings,
    changed_versions,
    read_config,
    read_starts,
    record_start,
    versions,
)
from arc_encoder.training.checkpoints.checkpoint_files import (
    DAMAGED,
    checkpoint_step,
    list_checkpoints,
    newest_valid,
    validate_checkpoint,
)

log = logging.getLogger(__name__)
AUTO = "auto"
# Parts of a configuration that decide neither weights nor losses.
HARMLESS = (
    "callbacks",
    "logger",
    "paths",
    "resume",
    "threads",
    "experiment_name",
    "sweep_metric",
    "trainer.log_every_n_steps",
)


@dataclass(frozen=True)
class TrainingRun:
    """The folder of a training that nobody else writes into.

    Attributes:
        checkpoint: to continue from; None for a fresh start.
        accept: records this start in the folder, once it is clear that it can continue from the checkpoint.
    """

    folder: Path
    checkpoint: str | None
    accept: Callable[[], None] = lambda: None


@contextmanager
def open_run(
    folder: str | Path,
    *,
    resume: str | Path | None = None,
    config: str | None = None,
    words: Sequence[str] | None = None,
    seed: int | None = None,
) -> Iterator[TrainingRun]:
    """Hold the folder of a run, and find the checkpoint to continue from.

    A fresh start is recorded in the folder at once, one from a checkpoint when it is accepted.

    Args:
        folder: of the run; made if it is not there.

    Raises:
        CheckpointError: no checkpoint, or a damaged one.
        ConfigError: another process is at work there, the folder cannot be written, or it holds another run.
    """
    run = Path(folder)
    with lock_run_folder(run) if is_first_process() else nullcontext():
        found = find_checkpoint(None if resume is None else str(resume), run)

        def accept() -> None:
            if not is_first_process():
                return
            if found and Path(found).resolve().parent.parent == run.resolve():
                Path(found).touch()  # an older one that was chosen is the newest from now on
            record_start(run, seed=seed, checkpoint=found, config=config, words=words)

        if found is None:
            accept()
        elif config is not None and is_first_process():
            warn_of_changes(found, yaml.safe_load(config))
        yield TrainingRun(run, found, accept if found else lambda: None)


def is_first_process() -> bool:
    """Whether this is the first of all processes of the run: the one that writes."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


def find_checkpoint(resume: str | None, run: Path) -> str | None:
    """The checkpoint to continue from, every byte of it checked.

    Args:
        resume: a checkpoint, the folder of a run for its newest one, ``auto`` for the newest of `run`
            or a fresh start if there is none, None for a fresh start.

    Raises:
        CheckpointError: there is none, or it is damaged; the one before is offered. With ``auto``, which
            nobody may be watching, the one before is taken and the damaged file set aside.
        ConfigError: `run` holds checkpoints of an earlier run that would be replaced.
    """
    if not is_first_process():  # the first process looks, and says what is wrong
        # it may be renaming a damaged one just now
        sound = newest_valid(run / "checkpoints") if resume == AUTO else None
        return str(sound) if sound else _choose(resume, run)
    found = _choose(resume, run)
    while found is not None:
        path = Path(found)
        fault = validate_checkpoint(path)
        if fault is None:
            break
        before = next(
            (other for other in list_checkpoints(path.parent) if other != path and validate_checkpoint(other) is None),
            None,
        )
        if resume != AUTO or before is None:
            offer = (
                f"{before}, written before it, is sound"
                if before
                else "no other checkpoint there is sound; start again"
            )
            raise CheckpointError(
                f"the checkpoint {path} is damaged: {fault}; {offer}",
                advice="resume" if before else None,
                checkpoint=before,
            )
        aside = path.with_name(path.name + DAMAGED)
        os.replace(path, aside)
        log.warning(
            "the checkpoint %s is damaged: %s; it is now called %s, and the run continues from %s",
            path,
            fault,
            aside.name,
            before,
        )
        found = _choose(resume, run)
    own = run / "checkpoints"
    if (
        own.is_dir()
        and list_checkpoints(own)
        and (found is None or Path(found).resolve().parent.parent != run.resolve())
    ):
        raise ConfigError(
            f"{run} holds the checkpoints of an earlier run, which this one would replace; choose "
            "another folder, or resume that one",
            advice="earlier-run",
            run=run,
        )
    return found


def _choose(resume: str | None, run: Path) -> str | None:
    if resume is None:
        return None
    if resume == AUTO:
        newest = list_checkpoints(run / "checkpoints")
        return str(newest[0]) if newest else None
    path = Path(resume)
    if path.is_file() or (path.suffix == ".ckpt" and path.is_dir()):
        return str(path)
    found = list_checkpoints(path / "checkpoints")
    if not found:
        if (path / "config.yaml").is_file():
            raise CheckpointError(
                f"resume={resume}: this run has written no checkpoint yet; let it begin again",
                advice="no-checkpoint-yet",
                run=path,
            )
        raise CheckpointError(f"resume={resume}: neither a checkpoint nor a run's folder with checkpoints/*.ckpt in it")
    return str(found[0])


def check_max_steps(checkpoint: str, steps: int) -> None:
    """Refuse a run that would end before it begins.

    Raises:
        ConfigError: `steps` is less than what `checkpoint` was written after; -1 sets no end.
    """
    reached = checkpoint_step(Path(checkpoint))
    if 0 <= steps < reached:
        raise ConfigError(
            f"the run would end after {steps} optimizer steps, but {checkpoint} was written after {reached} optimizer steps; "
            f"give at least {reached}, or an earlier checkpoint",
            advice="max-steps",
            steps=steps,
        )


def warn_of_changes(checkpoint: str, config: Mapping[str, Any]) -> None:
    """Log what differs from the run that wrote `checkpoint`: settings, and versions.

    Raises:
        ConfigError: the run would end before the step that it has reached.
    """
    steps = config["trainer"]["max_steps"]
    check_max_steps(checkpoint, steps)
    run = Path(checkpoint).resolve().parent.parent
    starts = read_starts(run)
    if starts and (others := changed_versions(starts[-1]["versions"], versions())):
        log.warning("not what the run was last started with, so numbers may differ slightly: %s", ", ".join(others))
    before = read_config(run)
    if before is None:
        return
    changed = changed_settings(before, config, without=HARMLESS)
    if not changed:
        return
    shown = ", ".join(f"{key} {values}" for key, values in changed.items())
    log.warning("changed since the last start, so this is not the run that was begun: %s", shown)
    if "trainer.max_steps" in changed:
        log.warning(
            "the number of steps also sets the schedule: from step %d on, learning rates follow a cycle of %d steps instead of %s; "
            "a run of %d steps from the beginning would have had other rates until here",
            checkpoint_step(Path(checkpoint)), steps, before["trainer"]["max_steps"], steps,
        )  # fmt: skip
