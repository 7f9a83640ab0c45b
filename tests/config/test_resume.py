"""`arc-train --resume`, `resume=`: a run continues from its folder alone, and what cannot work is told before it starts."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf

from arc_encoder.commands.experiments import train
from arc_encoder.config.building.training import build_trainer
from arc_encoder.config.resume import expand_resume
from arc_encoder.core.errors import CheckpointError
from arc_encoder.core.run_folder import record as run_record
from arc_encoder.core.run_folder.record import changed_versions, read_starts
from arc_encoder.training.checkpoints import resume
from arc_encoder.training.checkpoints.checkpoint_files import AtomicCheckpointIO
from arc_encoder.training.checkpoints.resume import find_checkpoint
from tests.commands.conftest import Make
from tests.tiny_runs import Command, composed, losses, model_overrides, save_tiny_model, short_overrides


class Leave(Callback):
    """Sends SIGTERM to this process in batch number `batch`."""

    def __init__(self, batch: int) -> None:
        self.batch = batch

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == self.batch:
            os.kill(os.getpid(), signal.SIGTERM)


LEAVE = ["+callbacks.leave._target_=tests.config.test_resume.Leave", "+callbacks.leave.batch=3"]


@pytest.fixture
def run(make: Make) -> Command:
    return make(train.main)


@pytest.fixture
def words(tiny_model: Path) -> list[str]:
    """A run of six steps in `out`, relative to the folder of the test; a checkpoint every two."""
    return [
        *model_overrides(tiny_model),
        *short_overrides(steps=6),
        "callbacks.checkpoint.every_n_train_steps=2",
        "paths.run=out",
    ]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Warnings of the command; Hydra switches logging off in these tests."""
    lines: list[str] = []
    monkeypatch.setattr(resume.log, "warning", lambda text, *values: lines.append(text % values))
    return lines


@pytest.fixture
def finished(run: Command, words: list[str], tmp_path: Path) -> Path:
    run(*words, "callbacks.checkpoint.save_top_k=-1")
    return tmp_path / "out"


def spoil(file: Path) -> Path:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    time = file.stat().st_mtime_ns
    file.write_bytes(data)
    os.utime(file, ns=(time, time))
    return file


def checkpoint(folder: Path, step: int, *, age: int = 0) -> Path:
    path = folder / f"step={step}.ckpt"
    AtomicCheckpointIO().save_checkpoint({"global_step": step, "loops": {}, "zeros": [0] * 1000}, path)
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return path


def test_a_stopped_run_goes_on_from_another_folder_and_under_another_name(
    run: Command, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, errors = run.outcome(*words, *LEAVE)
    assert code == 75
    assert "stopped by SIGTERM after optimizer step 4; continue with: arc-train --resume out" in errors
    assert set(losses(tmp_path / "out")) == {0, 1, 2, 3}
    (tmp_path / "out").rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run("--resume", "../moved", "callbacks.leave.batch=100")
    assert not (tmp_path / "out").exists()
    assert set(losses(tmp_path / "moved")) == {0, 1, 2, 3, 4, 5}
    assert (tmp_path / "moved" / "compressor" / "model.safetensors").is_file()
    run(*words, "paths.run=whole")
    assert losses(tmp_path / "moved") == losses(tmp_path / "whole")


def test_the_record_tells_every_start(run: Command, words: list[str], tmp_path: Path) -> None:
    run.outcome(*words, *LEAVE, "seed=7")
    run("--resume=out", "callbacks.leave.batch=100")
    first, second = read_starts(tmp_path / "out")
    assert first["seed"] == second["seed"] == 7
    assert "paths.run=out" in first["command"]
    assert first["checkpoint"] is None
    assert second["checkpoint"] == str(tmp_path / "out" / "checkpoints" / "step=4.ckpt")
    assert first["folder"] == str(tmp_path)
    assert {"python", "arc-encoder", "torch", "lightning", "transformers"} <= set(first["versions"])
    assert first["machine"]["cores"] >= 1
    assert first["machine"]["cpu"]
    assert first["time"] <= second["time"]
    assert first["time"].endswith("+00:00")


def test_a_commit_is_told_only_of_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = run_record.code_of_checkout()
    if (Path(run_record.arc_encoder.__file__).parents[2] / ".git").exists():
        assert len(code["commit"]) == 40
        assert code["checkout"] in ("as committed", "changed since the commit")
    installed = tmp_path / "site-packages" / "arc_encoder" / "__init__.py"
    monkeypatch.setattr(run_record.arc_encoder, "__file__", str(installed))
    assert run_record.code_of_checkout() == {}


def test_versions_that_changed_are_told(run: Command, finished: Path, told: list[str]) -> None:
    assert changed_versions({"torch": "1", "a": "x"}, {"torch": "2", "a": "x", "b": "y"}) == [
        "b none → y",
        "torch 1 → 2",
    ]
    record = json.loads((finished / "run.json").read_text())
    record["starts"][0]["versions"]["torch"] = "1.0"
    (finished / "run.json").write_text(json.dumps(record))
    run("--resume", "out")
    assert len(told) == 1
    assert told[0].startswith("not what the run was last started with, so numbers may differ slightly: torch 1.0 → ")
    run("--resume", "out")
    assert len(told) == 1  # once for each change


def test_settings_may_be_changed_and_are_told(run: Command, finished: Path, told: list[str]) -> None:
    run("--resume", "out", "trainer.max_steps=8", "+logger.csv.flush_logs_every_n_steps=1")
    assert set(losses(finished)) == set(range(8))
    assert len(told) == 2
    assert told[0].endswith("this is not the run that was begun: trainer.max_steps 6 → 8")
    assert "from step 6 on, learning rates follow a cycle of 8 steps instead of 6" in told[1]
    assert OmegaConf.load(finished / "config.yaml").trainer.max_steps == 8
    run("--resume", "out")
    assert len(told) == 2


def test_a_finished_run_only_publishes_again(run: Command, finished: Path) -> None:
    before = (finished / "compressor" / "model.safetensors").read_bytes()
    shutil.rmtree(finished / "compressor")
    run("--resume", "out")
    assert (finished / "compressor" / "model.safetensors").read_bytes() == before
    assert set(losses(finished)) == set(range(6))


def test_mistakes_behind_resume_are_told_like_others(run: Command, finished: Path) -> None:
    text = run.fails("--resume", "out", "trainer.max_stepps=8", "data.batch_size=many")
    assert "there is no 'max_stepps' in trainer (did you mean 'max_steps'?)" in text
    assert "data.batch_size='many'" in text
    text = run.fails("--resume", "out", "trainer.max_steps=4", "trainer.val_check_interval=2")
    assert "the run would end after 4 optimizer steps, but" in text
    assert "was written after 6 optimizer steps; give at least 6, or an earlier checkpoint" in text
    for word in ("logger=tensorboard", "model/pooling=last", "decoder=[toy_a,toy_b]"):
        text = run.fails("--resume", "out", word)
        assert f"{word}: --resume continues with the choices that the run began with" in text
    assert "--multirun cannot be combined with --resume" in run.fails("--resume", "out", "--multirun")
    assert OmegaConf.load(finished / "config.yaml").trainer.max_steps == 6


@pytest.mark.parametrize(
    "words", [["--resume"], ["--resume="], ["--resume", "--multirun"], ["--resume", "a", "--resume", "b"]]
)
def test_one_folder_must_be_named(run: Command, words: list[str]) -> None:
    assert "--resume needs the folder of one run" in run.fails(*words) or words == ["--resume"]


def test_what_is_no_run(run: Command, tmp_path: Path) -> None:
    assert "there is no such folder; give the folder of a run" in run.fails("--resume", "nowhere")
    (tmp_path / "empty").mkdir()
    assert "this is no run of arc-train" in run.fails("--resume", "empty")
    (tmp_path / "empty" / "config.yaml").write_text("a: [")
    assert "config.yaml cannot be read" in run.fails("--resume", "empty")
    (tmp_path / "empty" / "config.yaml").write_text("trainer: {}")
    assert "it must be what the run wrote" in run.fails("--resume", "empty")


def test_a_run_without_checkpoint_begins_again(run: Command, words: list[str], tmp_path: Path) -> None:
    run(*words, "callbacks.checkpoint.save_top_k=0")
    first = losses(tmp_path / "out")
    code, _, errors = run.outcome("--resume", "out")
    assert code == 0
    assert "has no checkpoint yet: the run begins again, with its own settings" in errors
    assert len(list((tmp_path / "out" / "csv").iterdir())) == 2
    assert losses(tmp_path / "out") == first
    text = run.fails(*words, "resume=out", "paths.run=other")
    assert "this run has written no checkpoint yet" in text
    assert "arc-train --resume out" in text


def test_a_model_that_is_gone_is_named(run: Command, words: list[str], tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "model")
    given = [word.replace(str(tiny_model), str(tmp_path / "model")) for word in words]
    run(*given)
    (tmp_path / "model").rename(tmp_path / "model_2")
    assert f"no encoder backbone at '{tmp_path / 'model'}'" in run.fails("--resume", "out")
    again = f"model.encoder.path={tmp_path / 'model_2'}"
    assert str(tmp_path / "model") in run.fails("--resume", "out", again)  # the decoder's, too
    run("--resume", "out", again, f"decoders.huggingface.path={tmp_path / 'model_2'}")


def test_another_decoder_is_refused(run: Command, finished: Path, tmp_path: Path) -> None:
    other = save_tiny_model(tmp_path / "other", seed=5)
    text = run.fails("--resume", "out", f"decoders.huggingface.path={other}", "trainer.max_steps=8")
    assert "the checkpoint was written with other decoder weights" in text


@pytest.mark.parametrize(
    ("other", "setting", "part"),
    [
        ("model.projector.bottleneck=16", "model.projector.bottleneck 24 → 16", "projector.layer1.weight: saved (24, "),
        ("model/pooling=memory_tokens", "model.pooling._target_", "missing "),
        ("optim.train_layers=[0]", "optim.train_layers None → [0]", "trained in encoder: saved "),
    ],
)
def test_another_model_is_refused_and_the_run_stays_as_it_is(
    run: Command, finished: Path, words: list[str], other: str, setting: str, part: str
) -> None:
    before = {file: file.read_bytes() for file in finished.rglob("*") if file.is_file()}
    text = run.fails(*words, other, "resume=out", "data.factors=null")
    assert "was written by a run of another model" in text
    assert setting in text
    assert part in text
    assert f"arc-train --resume {finished} needs nothing else" in text
    assert {file: file.read_bytes() for file in finished.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("form", ["--resume", "resume="])
def test_a_damaged_checkpoint_is_refused_and_the_one_before_offered(
    run: Command, finished: Path, words: list[str], form: str
) -> None:
    whole = losses(finished)
    newest, before = finished / "checkpoints" / "step=6.ckpt", finished / "checkpoints" / "step=4.ckpt"
    spoil(newest)
    given = ["--resume", "out"] if form == "--resume" else [*words, f"resume={finished}"]
    text = run.fails(*given)
    assert f"the checkpoint {newest} is damaged: the checksum of " in text
    command = f"arc-train --resume {before}"
    assert f"continue with: {command}" in text
    run(*command.split()[1:])
    assert losses(finished) == whole
    run("--resume", "out")  # what was chosen is the newest, and the damaged one was written again
    spoil(newest)
    for file in finished.glob("checkpoints/*"):
        spoil(file) if file != newest else None
    assert "no other checkpoint there is sound; start again" in run.fails("--resume", "out")


def test_auto_goes_on_or_begins(run: Command, words: list[str], tmp_path: Path, told: list[str]) -> None:
    """One command for a job that is started again and again."""
    given = [*words, "callbacks.checkpoint.save_top_k=-1", "resume=auto"]
    code, _, _ = run.outcome(*given, *LEAVE)
    assert code == 75
    run(*given)
    assert set(losses(tmp_path / "out")) == set(range(6))
    assert [start["checkpoint"] for start in read_starts(tmp_path / "out")] == [None, "out/checkpoints/step=4.ckpt"]
    whole = losses(tmp_path / "out")
    spoil(tmp_path / "out" / "checkpoints" / "step=6.ckpt")
    run(*given)  # nobody is watching: the one before is taken, and the damaged one set aside
    assert "it is now called step=6.ckpt.damaged, and the run continues from out/checkpoints/step=4.ckpt" in told[0]
    assert (tmp_path / "out" / "checkpoints" / "step=6.ckpt.damaged").is_file()
    assert losses(tmp_path / "out") == whole
    for file in (tmp_path / "out" / "checkpoints").glob("*.ckpt"):
        spoil(file)
    assert "no other checkpoint there is sound" in run.fails(*given)


def test_an_earlier_run_is_never_replaced(run: Command, finished: Path, words: list[str]) -> None:
    text = run.fails(*words)
    assert "out holds the checkpoints of an earlier run, which this one would replace" in text
    assert "arc-train --resume out" in text
    assert "resume=auto" in text


def test_the_newest_checkpoint_of_a_folder_is_taken(tmp_path: Path) -> None:
    folder, run = tmp_path / "checkpoints", tmp_path / "new"
    for age, step in enumerate((9, 10, 2)):
        checkpoint(folder, step, age=age)
    assert find_checkpoint(str(tmp_path), run) == str(folder / "step=9.ckpt")
    assert find_checkpoint(str(folder / "step=2.ckpt"), run) == str(folder / "step=2.ckpt")
    assert find_checkpoint("auto", tmp_path) == str(folder / "step=9.ckpt")
    assert find_checkpoint("auto", run) is None
    assert find_checkpoint(None, run) is None
    with pytest.raises(CheckpointError, match=r"neither a checkpoint nor a run's folder"):
        find_checkpoint(str(folder), run)


def test_further_processes_take_the_same_sound_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that start at the same time as the first one, which may be setting a damaged one aside."""
    for age, step in enumerate((6, 4, 2)):
        checkpoint(tmp_path / "checkpoints", step, age=age)
    newest = spoil(tmp_path / "checkpoints" / "step=6.ckpt")
    monkeypatch.setattr(resume, "is_first_process", lambda: False)
    assert find_checkpoint("auto", tmp_path) == str(tmp_path / "checkpoints" / "step=4.ckpt")
    assert newest.exists()


def test_a_folder_that_is_called_like_another_word(run: Command, words: list[str], tmp_path: Path) -> None:
    """Only what the run writes follows a run that was moved."""
    run(*words, "paths.run=reconstruction", "experiment_name=reconstruction")
    (tmp_path / "reconstruction").rename(tmp_path / "moved")
    run("--resume", "moved", "trainer.max_steps=7")
    config = OmegaConf.load(tmp_path / "moved" / "config.yaml")
    assert config.experiment_name == "reconstruction"
    assert config.logger.csv.save_dir == str(tmp_path / "moved")
    assert not (tmp_path / "reconstruction").exists()


def test_a_command_line_without_resume_stays_as_it_is() -> None:
    assert expand_resume(["a=b", "--help"]) == ["a=b", "--help"]


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"run\.json is damaged"):
        read_starts(tmp_path)
    assert read_starts(tmp_path / "nowhere") == []


def test_under_slurm_lightning_does_not_requeue_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SLURM_NTASKS": "1",
        "SLURM_JOB_ID": "12345",
        "SLURM_JOB_NAME": "train",
        "SLURM_PROCID": "0",
    }.items():
        monkeypatch.setenv(name, value)
    for name, value in {"SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_NNODES": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(SLURMEnvironment, "_validate_srun_used", staticmethod(lambda: None))
    trainer = build_trainer(composed(["paths.run=."]).trainer, [], [])
    environment = trainer._accelerator_connector.cluster_environment
    assert isinstance(environment, SLURMEnvironment)
    assert not environment.auto_requeue
    assert isinstance(trainer.strategy.checkpoint_io, AtomicCheckpointIO)
