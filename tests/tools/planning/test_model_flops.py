"""The model's operations a second, as a training logs them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from arc_encoder.core.errors import ConfigError
from arc_encoder.tools.planning import model_flops
from arc_encoder.tools.planning.costs.work import work
from arc_encoder.tools.planning.costs.workload import Workload
from arc_encoder.tools.planning.model_flops import ModelFlops, batch_work
from arc_encoder.tools.planning.parts import Parts
from tests.tiny_models import make_batch, numbers, tiny_arc_model

SEGMENTS = [("plain", [1, 2, 3]), ("context", list(numbers(20))), ("target", list(numbers(6)))]


def test_a_batch_costs_what_the_plan_says_of_its_shape() -> None:
    model = tiny_arc_model()
    batch = make_batch([SEGMENTS, SEGMENTS, SEGMENTS])
    parts = Parts(model.compressor, {"decoder": model.decoder("decoder").model})
    expected = work(parts, "decoder", Workload(3, 1, 20, 3, 6)).total(checkpointing=False)
    assert batch_work(model, batch) == expected > 0


def test_a_larger_pooling_factor_costs_less() -> None:
    model, batch = tiny_arc_model(), make_batch([SEGMENTS])
    costs = [batch_work(model, replace(batch, factor=f)) for f in (2, 4, 10)]
    assert costs == sorted(costs, reverse=True)
    assert len(set(costs)) == 3


def test_rate_and_share_of_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(model_flops, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    model, batch, logged = tiny_arc_model(), make_batch([SEGMENTS]), {}
    module: Any = SimpleNamespace(
        model=model, device=torch.device("cpu"), log=lambda name, value, **_: logged.update({name: value})
    )
    callback = ModelFlops(2, peak_tflops=1e-6)
    callback.on_train_start(None, module)  # type: ignore[arg-type]
    for _ in range(2):
        now[0] += 2.0
        callback.on_train_batch_end(None, module, None, batch, 0)  # type: ignore[arg-type]
    rate = 2 * batch_work(model, batch) / 4.0 / 1e12
    assert logged["throughput/model_tflops"] == pytest.approx(rate)
    assert logged["throughput/model_flops_utilisation"] == pytest.approx(rate / 1e-6)


def test_no_share_where_the_peak_is_not_known() -> None:
    logged: list[str] = []
    module: Any = SimpleNamespace(
        model=tiny_arc_model(), device=torch.device("cpu"), log=lambda name, value, **_: logged.append(name)
    )
    callback = ModelFlops(1)
    callback.on_train_start(None, module)  # type: ignore[arg-type]
    callback.on_train_batch_end(None, module, None, make_batch([SEGMENTS]), 0)  # type: ignore[arg-type]
    assert logged == ["throughput/model_tflops"]


def test_impossible_settings() -> None:
    with pytest.raises(ConfigError, match="every_n_steps=0"):
        ModelFlops(0)
    with pytest.raises(ConfigError, match="peak_tflops=-1"):
        ModelFlops(peak_tflops=-1)
