"""`--multirun`: one run for each value, with hyperparameters that TensorBoard can compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from arc_encoder.commands.experiments import train
from tests.commands.conftest import Make
from tests.tiny_runs import Command, model_overrides, short_overrides


@pytest.fixture
def run(make: Make) -> Command:
    return make(train.main)


@pytest.fixture
def base(tiny_model: Path) -> list[str]:
    short = [each for each in short_overrides(steps=2) if each != "logger=csv"]
    return [*model_overrides(tiny_model), *short, "+logger.tensorboard.max_queue=1", "paths.logs=logs"]


def events_of(run: Path) -> EventAccumulator:
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    return events


def hyperparameters(events: EventAccumulator) -> dict[str, Any]:
    data = HParamsPluginData.FromString(events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
    values = data.session_start_info.hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in values.items()}


def test_a_sweep_writes_comparable_runs(run: Command, base: list[str], tmp_path: Path) -> None:
    run("--multirun", "model/pooling=mean,last,sum,fusion,kmeans", "debug=fast", *base)
    (sweep,) = (tmp_path / "logs" / "debug").iterdir()
    runs = sorted(path for path in sweep.iterdir() if path.is_dir())
    assert [path.name for path in runs] == ["0", "1", "2", "3", "4"]
    names = []
    losses = set()
    for path in runs:
        events = events_of(path)
        values = hyperparameters(events)
        names.append(values["model.pooling"])
        assert values["model.pooling.factor"] == 4.0
        assert values["optim.projector_lr"] == 2e-3
        assert values["data.tasks.continuation.share"] == 0.8
        assert values["trained_parameters"] > 1000
        (last,) = events.Scalars("at_end/loss")
        assert last.value == events.Scalars("val/loss")[-1].value > 0
        assert "train/loss" in events.Tags()["scalars"]
        assert "at_end/loss/huggingface/continuation" in events.Tags()["scalars"]
        losses.add(last.value)
        assert (path / "compressor" / "model.safetensors").is_file()
    assert names == ["MeanPooling", "LastPooling", "SumPooling", "FusionPooling", "KMeansPooling"]
    assert len(losses) == 5


@pytest.mark.slow
def test_values_of_one_s_own_can_be_swept(run: Command, base: list[str], tmp_path: Path) -> None:
    run("--multirun", "model.pooling.factor=2,8", "experiment_name=mine", *base)
    (sweep,) = (tmp_path / "logs" / "mine").iterdir()
    assert [hyperparameters(events_of(sweep / name))["model.pooling.factor"] for name in ("0", "1")] == [2.0, 8.0]


def test_a_sweep_over_a_choice_that_does_not_exist(run: Command, base: list[str], tmp_path: Path) -> None:
    errors = run.fails("--multirun", "model/pooling=mean,lost", *base)
    assert "model/pooling=lost: no such choice (did you mean 'last'?)" in errors
    errors = run.fails("--multirun", "model.pooling.facto=2,4", *base)
    assert "there is no 'facto' in model.pooling (did you mean 'factor'?)" in errors
    errors = run.fails("--multirun", "model.pooling.factor=2,0", "experiment_name=half", *base)
    assert "pooling factor 0 is not possible" in errors
