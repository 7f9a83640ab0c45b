"""TakeOff: the share of the context's benefit that survives, and the first step at which it is large enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from arc_encoder.core.errors import ConfigError
from arc_encoder.data.tasks import Continuation, Reconstruction
from arc_encoder.training.callbacks import TakeOff
from arc_encoder.training.callbacks.monitoring import take_off as module
from tests.tiny_runs import table
from tests.training.conftest import Fit, Texts, data_module, two_decoders

HELD_OUT = Texts(["the first", "another one", "and a third"])


def rows(tmp_path: Path, name: str) -> dict[int, float]:
    found = table(tmp_path / "log" / "metrics.csv")
    return {int(row["step"]): float(row[name]) for row in found if row.get(name)}


def scripted(monkeypatch: pytest.MonkeyPatch, losses: list[float]) -> None:
    """Losses of the measured batches, in the order in which they are asked: vectors, without context, as text …"""
    given = iter(losses)
    monkeypatch.setattr(module, "_loss", lambda *_: next(given))


def test_the_first_step_at_which_the_threshold_is_reached_is_logged(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [4.0, 2.0, 3.9, 3.0, 3.5, 2.5])  # shares 0.05, 0.5, 0.25, 0.75
    callback = TakeOff(every_n_steps=2, threshold=0.3, samples=2)
    data = data_module(validation={"held_out": Reconstruction(HELD_OUT)})
    fit(callback, steps=8, data=data, logger=CSVLogger(tmp_path, name="", version="log"), log_every_n_steps=2)
    assert callback.took_off_at == 4
    assert rows(tmp_path, "train/took_off_at") == {3: 4, 5: 4, 7: 4}  # Lightning counts logged steps from 0
    assert rows(tmp_path, "train/surviving_share/decoder") == pytest.approx({1: 0.05, 3: 0.5, 5: 0.25, 7: 0.75})


def test_every_decoder_must_have_taken_off(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [4.0, 2.0, 4.0, 2.0, 2.5, 3.9, 2.5, 2.5])
    callback = TakeOff(every_n_steps=1, samples=2)
    data = data_module(("first", "second"), validation={"held_out": Reconstruction(HELD_OUT)})
    fit(callback, steps=2, data=data, model=two_decoders())
    assert callback.took_off_at == 2


def test_what_is_measured_is_the_surviving_share(fit: Fit) -> None:
    """Against losses computed here, with the reconstruction chosen among two tasks."""
    callback = TakeOff(every_n_steps=1, samples=3)
    held_out = Reconstruction(HELD_OUT)
    data = data_module(validation={"going_on": Continuation(HELD_OUT, part=4), "held_out": held_out})
    _, trained = fit(callback, steps=1, data=data)
    probe = callback._probes["decoder"]
    samples = [held_out.sample(i, data.seed, data.collator.encoder_tokenizer) for i in range(3)]
    batch = data.collator(samples, decoder="decoder", task="held_out")
    assert probe.batch.text_ids.equal(batch.text_ids)
    decoder, ends = trained.model.decoder("decoder"), []
    with torch.no_grad():
        for prefix in (False, True):
            total, count = 0.0, 0
            for sample in samples:
                text = decoder.token_ids(sample.segments[0].text)
                ids = [*decoder.prefix_ids, *(text if prefix else []), *text, decoder.tokenizer.eos_token_id]
                scores = decoder.model(torch.tensor([ids])).logits[0].log_softmax(-1)
                targets = len(text) + 1
                first = len(ids) - targets
                total -= float(sum(scores[i - 1, ids[i]] for i in range(first, len(ids))))
                count += targets
            ends.append(total / count)
    assert (probe.without, probe.text) == pytest.approx(tuple(ends), rel=1e-4)


def test_measuring_changes_nothing_that_is_trained(fit: Fit) -> None:
    weights = []
    for callbacks in ([], [TakeOff(every_n_steps=1, samples=2)]):
        torch.manual_seed(0)
        data = data_module(validation={"held_out": Reconstruction(HELD_OUT)})
        _, trained = fit(*callbacks, steps=3, data=data)
        weights.append(torch.cat([p.detach().flatten() for p in trained.model.compressor.parameters()]))
        assert trained.model.compressor.training
    assert weights[0].equal(weights[1])


def test_its_state_is_saved() -> None:
    callback, other = TakeOff(), TakeOff()
    callback.took_off_at = 75
    other.load_state_dict(callback.state_dict())
    assert other.took_off_at == 75


@pytest.mark.parametrize("wrong", [{"every_n_steps": 0}, {"samples": 0}, {"threshold": 1.0}])
def test_numbers_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        TakeOff(**wrong)


def test_a_task_that_is_not_there_is_named(fit: Fit) -> None:
    data = data_module(validation={"held_out": Reconstruction(HELD_OUT)})
    with pytest.raises(ConfigError, match="'mine' is no validation task; there are: held_out"):
        fit(TakeOff(every_n_steps=1, task="mine"), steps=1, data=data)
