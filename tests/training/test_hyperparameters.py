"""What TensorBoard's HParams page shows of a run."""

from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups

from arc_encoder.training.hyperparameters import flatten
from tests.commands.conftest import tiny_model as tiny_model  # the fixture
from tests.tiny_runs import model_overrides, run_train, short_overrides


def test_classes_are_told_by_their_names() -> None:
    node = {"_target_": "a.b.Mean", "_partial_": True, "factor": 4, "more": {"_target_": "c.D", "x": [1]}, "none": None}
    assert flatten("model.pooling", node) == {
        "model.pooling": "Mean",
        "model.pooling.factor": 4,
        "model.pooling.more": "D",
        "model.pooling.more.x": "[1]",
        "model.pooling.none": "None",
    }


def page(folder: Path) -> tuple[list[str], list[str], dict[str, dict[str, float]]]:
    """What TensorBoard's HParams page has: settings and scores as columns, in their order; the scores of each run."""
    runs = plugin_event_multiplexer.EventMultiplexer()
    runs.AddRunsFromDirectory(str(folder))
    runs.Reload()
    provider = data_provider.MultiplexerDataProvider(runs, str(folder))
    backend = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    context = RequestContext()
    request = api_pb2.GetExperimentRequest(include_metrics=True)
    experiment = get_experiment.Handler(context, backend, "", request).run()
    scores = [metric.name for metric in experiment.metric_infos]
    asked = api_pb2.ListSessionGroupsRequest(slice_size=9, allowed_statuses=[1], include_metrics=True)  # 1: success
    for name in scores:
        asked.col_params.add().metric.CopyFrom(name)
    groups = list_session_groups.Handler(context, backend, "", asked).run().session_groups
    return (
        [setting.name for setting in experiment.hparam_infos],
        [name.tag for name in scores],
        {group.name.split("/")[0]: {each.name.tag: each.value for each in group.metric_values} for group in groups},
    )


def test_the_page_begins_with_what_differs_and_how_well_it_went(tiny_model: Path, tmp_path: Path) -> None:
    for name, more in {"a": ["seed=1"], "b": ["model.pooling.factor=2"], "c": ["data.validation={}"]}.items():
        words = [*model_overrides(tiny_model), *short_overrides(steps=2), "logger=tensorboard", "callbacks=none"]
        words = [word for word in words if not word.startswith(("~callbacks", "callbacks."))]
        run_train(tmp_path / name, [*words, "~data.validation" if "validation" in more[0] else more[0]])
    settings, scores, runs = page(tmp_path)
    assert settings[:3] == ["data.seed", "model.pooling.factor", "seed"]
    assert all(name.startswith("at_end/") for name in scores[:3])
    assert runs["a"]["at_end/loss"] > 0
    assert "at_end/loss" not in runs["c"]  # no number would be the best of all
