"""Running commands: several at once, in order, none twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.tools.ablation import start as starts
from arc_encoder.tools.ablation.stages import Stage
from arc_encoder.tools.ablation.start import ForkedProcess, FreshProcess, Running, Start
from arc_encoder.tools.ablation.work import StageError, finished_folders, is_done, run_stages

SCRIPT = """
import sys, time, pathlib

def main():
    words = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    folder = pathlib.Path(words["paths.run"])
    with (folder.parent / "order").open("a") as file:
        file.write(folder.name + "\\n")
    if words["do"] == "fail":
        sys.exit("it went wrong")
    time.sleep(float(words["do"]))

if __name__ == "__main__":
    main()
"""


class Pretended(Start, Running):
    """Commands that end at once with a status."""

    def __init__(self, status: int = 0) -> None:
        self.status, self.order = status, list[str]()

    def __call__(self, command: str, words: Sequence[str], log: Path) -> Running:
        self.order.append(log.parent.name)
        log.touch()
        return self

    def wait(self, seconds: float | None = None) -> int | None:
        return self.status

    def terminate(self) -> None:
        raise AssertionError("they end at once")


@pytest.fixture(params=[FreshProcess, ForkedProcess])
def start(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    (tmp_path / "pretend_command.py").write_text(SCRIPT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # for a program of its own
    monkeypatch.syspath_prepend(tmp_path)  # for a process that is forked
    monkeypatch.setattr(starts, "MODULES", {"arc-train": "pretend_command"})
    return request.param()


@pytest.fixture
def stage(tmp_path: Path) -> object:
    def make(name: str, do: str = "0", after: tuple[str, ...] = ()) -> Stage:
        return Stage(name, "arc-train", (f"do={do}",), tmp_path / name, tuple(tmp_path / each for each in after))

    return make


def test_stages_wait_for_what_they_need_and_are_not_done_twice(stage: object, start: Start, tmp_path: Path) -> None:
    stages = [stage("a"), stage("b", after=("a",)), stage("c"), stage("d", after=("b", "c"))]  # type: ignore[operator]
    assert run_stages(stages, start=start, jobs=2, progress=False) == 4
    order = (tmp_path / "order").read_text().split()
    assert sorted(order) == ["a", "b", "c", "d"]
    assert order.index("a") < order.index("b") < order.index("d") > order.index("c")
    assert all(is_done(each) for each in stages)
    assert run_stages(stages, start=start, jobs=2, progress=False) == 0
    changed = [*stages[:3], stage("d", do="0.0", after=("b", "c"))]  # type: ignore[operator]
    assert run_stages(changed, start=start, jobs=1, progress=False) == 1  # other words than before


def test_what_was_made_from_something_else_is_made_again(stage: object, tmp_path: Path) -> None:
    stages = [stage("start"), stage("tuned", after=("start",)), stage("asked", after=("tuned",)), stage("other")]  # type: ignore[operator]
    start = Pretended()

    def again() -> list[str]:
        start.order.clear()
        run_stages(stages, start=start, jobs=1, progress=False)
        assert len(finished_folders(stages)) == 4
        return start.order

    assert again() == ["start", "tuned", "asked", "other"]
    assert again() == []
    shutil.rmtree(tmp_path / "start")
    assert {place.name for place in finished_folders(stages)} == {"other"}
    assert again() == ["start", "tuned", "asked"]
    shutil.rmtree(tmp_path / "tuned")
    assert again() == ["tuned", "asked"]
    run_stages([replace(stages[0], overrides=("do=1",))], start=start, jobs=1, progress=False)  # by another ablation
    run_stages(stages[:1], start=start, jobs=1, progress=False)
    assert {place.name for place in finished_folders(stages)} == {"start", "other"}
    assert again() == ["tuned", "asked"]


def test_a_training_does_not_go_on_from_checkpoints_of_another_start(stage: object, tmp_path: Path) -> None:
    stages = [stage("start"), stage("tuned", after=("start",))]  # type: ignore[operator]
    run_stages(stages[:1], start=Pretended(), jobs=1, progress=False)
    with pytest.raises(StageError):
        run_stages(stages, start=Pretended(status=1), jobs=1, progress=False)
    for folder in ("start", "tuned"):
        (tmp_path / folder / "checkpoints").mkdir()
    with pytest.raises(StageError):
        run_stages(stages, start=Pretended(status=1), jobs=1, progress=False)
    assert (tmp_path / "tuned" / "checkpoints").is_dir()  # it was only interrupted
    (tmp_path / "start" / "done").unlink()
    run_stages(stages, start=Pretended(), jobs=1, progress=False)
    assert (tmp_path / "start" / "checkpoints").is_dir()  # nothing in front of it has changed
    assert not (tmp_path / "tuned" / "checkpoints").exists()


def test_a_failure_is_told_with_the_end_of_its_log_and_the_rest_is_stopped(
    stage: object, start: Start, tmp_path: Path
) -> None:
    stages = [stage("long", do="60"), stage("bad", do="fail"), stage("never", after=("bad",))]  # type: ignore[operator]
    begun = time.perf_counter()
    with pytest.raises(StageError, match=r"bad failed with status 1. The end of .*arc-train.log:\nit went wrong"):
        run_stages(stages, start=start, jobs=2, progress=False)
    assert time.perf_counter() - begun < 30
    assert not any(is_done(each) for each in stages)
    assert not (tmp_path / "never").exists()


def test_a_stage_shows_the_folders_that_it_is_made_of(stage: object, start: Start, tmp_path: Path) -> None:
    first = stage("trainings")  # type: ignore[operator]
    second = replace(stage("asked", after=("trainings",)), links={"finetune": first.folder})  # type: ignore[operator]
    run_stages([first, second], start=start, jobs=1, progress=False)
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert (moved / "asked" / "finetune" / "done").read_text().startswith(f"{first.mark}made ")
    moved.rename(tmp_path)


def test_two_that_need_the_same_stage_run_it_once(stage: object, start: Start, tmp_path: Path) -> None:
    shared = replace(stage("shared", do="1"), identity="same\n")  # type: ignore[operator]
    other = replace(stage("shared", do="1.0"), identity="same\n")  # type: ignore[operator]
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run_stages, [each], start=start, jobs=1, progress=False) for each in (shared, other)]
        for run in runs:
            run.result(timeout=60)
    assert (tmp_path / "order").read_text().split() == ["shared"]
    assert is_done(shared)
    assert is_done(other)


ENDED = """
import sys
from pathlib import Path
from arc_encoder.commands.experiments.ablate import exit_on_sigterm
from arc_encoder.tools.ablation import start
from arc_encoder.tools.ablation.stages import Stage
from arc_encoder.tools.ablation.work import run_stages

start.MODULES = {"arc-train": "pretend_command"}
if __name__ == "__main__":
    exit_on_sigterm()
    stage = Stage("long", "arc-train", ("do=120",), Path("long"))
    run_stages([stage], start=getattr(start, sys.argv[1])(), jobs=1, progress=False)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "by"),
    [("FreshProcess", signal.SIGTERM), ("ForkedProcess", signal.SIGTERM), ("ForkedProcess", signal.SIGKILL)],
)
def test_what_was_started_ends_with_the_one_that_started_it(kind: str, by: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "pretend_command.py").write_text(
        SCRIPT.replace('file.write(folder.name + "\\n")', "file.write(str(os.getpid()))").replace(
            "import sys", "import os, sys"
        )
    )
    (tmp_path / "ended.py").write_text(ENDED)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "ended.py", kind], cwd=tmp_path, env=environment)
    deadline = time.monotonic() + 120
    while not (tmp_path / "order").is_file() or not (tmp_path / "order").read_text():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    number = int((tmp_path / "order").read_text())
    process.send_signal(by)
    assert process.wait(timeout=60) == (-by if by == signal.SIGKILL else 128 + by)
    if by == signal.SIGKILL:  # nobody waited for it
        deadline = time.monotonic() + 30
        while is_running(number) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert not is_running(number)


def is_running(number: int) -> bool:
    """Whether a process is there and has not ended; one that has may still be listed until its parent looks at it."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{number}/stat")
    return not (status.is_file() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def test_no_jobs(stage: object) -> None:
    with pytest.raises(ConfigError, match="jobs=0 must be at least 1"):
        run_stages([stage("a")], start=FreshProcess(), jobs=0)  # type: ignore[operator]
