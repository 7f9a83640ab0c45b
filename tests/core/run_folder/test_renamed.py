"""Names of earlier versions: what a saved run says still loads, and a user is told the new name."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from arc_encoder.config.compose import composing, import_modules
from arc_encoder.config.overrides import check_names
from arc_encoder.config.validation.check import find_problems
from arc_encoder.config.validation.signatures import _source
from arc_encoder.core.errors import ConfigError
from arc_encoder.core.run_folder.record import read_config
from arc_encoder.core.run_folder.renamed import KEYS, MODULES, current_key, current_target, with_current_names
from arc_encoder.model.checkpoint.config import ArcEncoderConfig

OLD = {
    "arc_encoder.model.build.build_arc_model": "arc_encoder.model.assembly.build.build_arc_model",
    "arc_encoder.model.pooling.MeanPooling": "arc_encoder.model.encoder.pooling.MeanPooling",
    "arc_encoder.training.optim.OptimSettings": "arc_encoder.training.optim.optimizer.OptimSettings",
    "arc_encoder.data.jsonl.JsonlQuestions": "arc_encoder.data.sources.jsonl.JsonlQuestions",
    "arc_encoder.model.decoder.load_decoder": "arc_encoder.model.decoder.load.load_decoder",
}


@pytest.mark.parametrize("old", OLD)
def test_a_target_of_an_earlier_version_has_a_name_today(old: str) -> None:
    assert current_target(old) == OLD[old]
    assert callable(get_object(OLD[old]))


@pytest.mark.parametrize("target", [*OLD.values(), "arc_encoder.data.ArcDataModule", "torch.nn.Linear", "mine.Pooling"])
def test_other_targets_stay(target: str) -> None:
    assert current_target(target) == target


@pytest.mark.parametrize("place", MODULES.values())
def test_every_new_place_is_there(place: str) -> None:
    assert _source(f"arc_encoder.{place}") is not None


def test_targets_are_renamed_at_every_depth() -> None:
    old, new = next(iter(OLD.items()))
    assert with_current_names({"a": [{"_target_": old, "b": {"_target_": old}}], "path": old}) == {
        "a": [{"_target_": new, "b": {"_target_": new}}],
        "path": old,
    }


def test_the_configuration_of_an_old_run_is_read_in_current_names(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("optim:\n  _target_: arc_encoder.training.optim.OptimSettings\n  eps: 1e-8\n")
    assert read_config(tmp_path)["optim"]["_target_"] == OLD["arc_encoder.training.optim.OptimSettings"]


def test_a_configuration_of_ones_own_is_told_the_new_name() -> None:
    config = OmegaConf.create({"thing": {"_target_": "arc_encoder.model.pooling.MeanPooling"}})
    (problem,) = find_problems(config, keys={"thing"})
    assert problem == (
        "thing._target_: arc_encoder.model.pooling.MeanPooling is now called arc_encoder.model.encoder.pooling.MeanPooling"
    )


def test_settings_are_renamed_by_their_path() -> None:
    old = {"model": {"length_groups": 4, "chunking": {"most": 2}, "other": {"most": 1}}, "length_groups": 5}
    assert with_current_names(old) == {
        "model": {"length_buckets": 4, "chunking": {"max_chunks": 2}, "other": {"most": 1}},
        "length_groups": 5,
    }
    assert all(current_key(new) == new for new in KEYS.values())


def test_a_setting_of_an_earlier_version_is_told_the_new_name() -> None:
    config = OmegaConf.create(
        {"model": {"chunking": {"_target_": "arc_encoder.model.encoder.chunking.Chunking", "most": 2}}}
    )
    (problem,) = find_problems(config, keys={"model"})
    assert problem == "model.chunking.most is now called model.chunking.max_chunks"
    with composing():
        given = Namespace(overrides=["model.length_groups=3"], config_name=None, config_dir=None, config_path=None)
    assert check_names(given, "train") == ["model.length_groups is now called model.length_buckets"]


def test_a_module_of_ones_own_is_told_where_a_module_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_old_pooling.py").write_text("from arc_encoder.model.pooling.base import Pooling\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"arc_encoder\.model\.pooling is now arc_encoder\.model\.encoder\.pooling"):
        import_modules(["my_old_pooling"])


def test_a_compressor_of_an_earlier_version_keeps_its_settings() -> None:
    assert ArcEncoderConfig(length_groups=3).length_buckets == 3


def test_a_file_of_questions_has_settings_of_its_own() -> None:
    assert current_key("benchmarks.mine.path") == "benchmarks.mine.source.path"
    assert current_key("benchmarks.mine.examples_path") == "benchmarks.mine.source.examples_path"
    assert current_key("benchmarks.mine.shots") == "benchmarks.mine.shots"
