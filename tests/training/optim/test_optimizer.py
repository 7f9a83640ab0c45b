"""Learning rates: the one-cycle schedule, a rate for each part, and what is decayed."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.encoder.pooling import MemoryTokens
from arc_encoder.training.optim.optimizer import OptimSettings, make_optimizer, one_cycle
from tests.tiny_models import tiny_compressor
from tests.tiny_runs import composed
from tests.training.conftest import Fit, Record, settings, two_decoders

# The table of the method: encoder, projector, task tokens, final rate, warm-up steps, decay.
TABLE = {
    "pretrain": (1e-5, 5e-5, 1e-5, 1e-10, 1000, 0.1),
    "finetune": (2e-6, 3e-5, 2e-6, 1e-8, 50, 0.05),
}


def parts(compressor: ArcEncoderModel) -> dict[str, str]:
    """Name of each parameter → the part that it belongs to."""
    found = {}
    for name, _ in compressor.named_parameters():
        kind = "projector" if ".projector." in name else "task_tokens" if ".task_tokens." in name else "encoder"
        found[name] = kind
    return found


def groups_of(compressor: ArcEncoderModel, optimizer: torch.optim.Optimizer) -> dict[str, dict]:
    """Name of each parameter → its group in the optimizer."""
    names = {id(parameter): name for name, parameter in compressor.named_parameters()}
    return {names[id(p)]: group for group in optimizer.param_groups for p in group["params"]}


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_configurations_hold_the_method_s_table(name: str) -> None:
    node = composed([f"optim={name}"]).optim
    values = (
        node.encoder_lr,
        node.projector_lr,
        node.task_token_lr,
        node.final_lr,
        node.warmup_steps,
        node.weight_decay,
    )
    assert values == TABLE[name]
    defaults = OptimSettings()
    assert (defaults.betas, defaults.eps) == ((0.9, 0.95), 1e-8)


def test_adding_a_decoder_trains_at_the_method_s_rates() -> None:
    node = composed(["optim=add_decoder"]).optim
    assert (node.projector_lr, node.task_token_lr, node.warmup_steps, node.train_encoder) == (1e-4, 1e-4, 100, False)


def test_the_schedule_rises_from_almost_nothing_and_falls_to_the_final_share() -> None:
    share = [one_cycle(step, steps=5000, warmup_steps=1000, final_share=1e-5) for step in range(5000)]
    assert 0 < share[0] < 1e-5
    assert share[1000] == 1.0
    assert share[-1] == pytest.approx(1e-5, rel=1e-9)
    assert all(a < b for a, b in pairwise(share[:1001]))
    assert all(a > b for a, b in pairwise(share[1000:]))
    # cosine: half of the way in the middle of either side
    assert share[500] == pytest.approx(0.5, abs=2e-3)
    assert share[1000 + (4999 - 1000) // 2] == pytest.approx(0.5, abs=1e-3)
    assert one_cycle(9999, steps=5000, warmup_steps=1000, final_share=1e-5) == share[-1]


def test_the_schedule_without_warm_up_starts_at_the_highest_rate() -> None:
    assert one_cycle(0, steps=10, warmup_steps=0, final_share=0.1) == 1.0
    assert one_cycle(9, steps=10, warmup_steps=0, final_share=0.1) == pytest.approx(0.1)
    assert one_cycle(0, steps=1, warmup_steps=0, final_share=0.1) == 1.0


def test_every_part_reaches_its_own_rate_and_ends_at_the_final_one() -> None:
    chosen = OptimSettings(*TABLE["pretrain"][:5], weight_decay=0.1)
    compressor = tiny_compressor()
    made = make_optimizer(compressor, chosen, steps=3000)
    optimizer, scheduler = made["optimizer"], made["lr_scheduler"]["scheduler"]
    assert made["lr_scheduler"]["interval"] == "step"
    highest = dict(zip(("encoder", "projector", "task_tokens"), TABLE["pretrain"][:3], strict=True))
    kinds = parts(compressor)
    for step in range(3000):
        rates = (
            {(kinds[name], group["lr"]) for name, group in groups_of(compressor, optimizer).items()}
            if step in (0, 1000, 2999)
            else set()
        )
        for kind, rate in rates:
            wanted = {0: 0.0, 1000: highest[kind], 2999: 1e-10}[step]
            assert rate == pytest.approx(wanted, rel=1e-6, abs=1e-5 * highest[kind] if step == 0 else 0), (step, kind)
        optimizer.step()
        scheduler.step()


def test_each_trained_parameter_is_in_the_optimizer_exactly_once() -> None:
    model = two_decoders()
    optimizer = make_optimizer(model.compressor, settings(), 10)["optimizer"]
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert len(held) == len(set(held))
    assert set(held) == {id(p) for p in model.compressor.parameters()}
    assert not set(held) & {id(p) for p in model.decoders.parameters()}


def test_memory_tokens_are_trained_at_the_encoder_s_rate() -> None:
    compressor = tiny_compressor(pooling=MemoryTokens(3))
    groups = groups_of(compressor, make_optimizer(compressor, settings(encoder_lr=0.125), 10)["optimizer"])
    assert groups["encoder.pooling.embeddings"]["initial_lr"] == 0.125


def test_matrices_decay_and_vectors_do_not() -> None:
    compressor = tiny_compressor()
    groups = groups_of(compressor, make_optimizer(compressor, settings(weight_decay=0.25), 10)["optimizer"])
    for name, parameter in compressor.named_parameters():
        assert groups[name]["weight_decay"] == (0.25 if parameter.ndim > 1 else 0.0), name
    assert {parameter.ndim for parameter in compressor.parameters()} == {1, 2}


def test_momentum_is_left_alone_while_training(fit: Fit) -> None:
    betas = Record(lambda trainer, _: {group["betas"] for group in trainer.optimizers[0].param_groups})
    rates = Record(lambda trainer, _: trainer.optimizers[0].param_groups[0]["lr"])
    fit(betas, rates, steps=6, optim=settings(warmup_steps=3))
    assert betas.seen == [{(0.9, 0.95)}] * 6
    assert len(set(rates.seen)) == 6  # while the rate did change, once an optimizer step


def test_the_schedule_counts_optimizer_steps_not_batches(fit: Fit) -> None:
    rates = Record(lambda trainer, _: trainer.optimizers[0].param_groups[0]["lr"])
    fit(rates, steps=3, accumulate_grad_batches=2)
    wanted = [1e-3 * one_cycle(step, steps=3, warmup_steps=0, final_share=1e-2) for step in (0, 0, 1, 1, 2, 2)]
    assert rates.seen == pytest.approx(wanted)


def test_a_frozen_encoder_stays_as_it_is_and_the_head_learns(fit: Fit) -> None:
    start = {name: value.clone() for name, value in tiny_compressor().state_dict().items()}
    _, module = fit(optim=settings(train_encoder=False))
    for name, parameter in module.model.compressor.named_parameters():
        frozen = name.startswith("encoder.")
        assert parameter.requires_grad != frozen, name
        if name != "heads.decoder.task_tokens.continue":  # no task of the data uses it
            assert torch.equal(parameter, start[name]) == frozen, name


def test_a_trained_encoder_changes_everywhere(fit: Fit) -> None:
    start = {name: value.clone() for name, value in tiny_compressor().state_dict().items()}
    _, module = fit()
    unchanged = {
        name for name, value in module.model.compressor.state_dict().items() if torch.equal(value, start[name])
    }
    assert unchanged == {"heads.decoder.task_tokens.continue"}


@pytest.mark.parametrize("name", ["encoder_lr", "projector_lr", "task_token_lr"])
def test_a_negative_rate_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"optim.{name}=-1"):
        OptimSettings(**{name: -1})


def test_a_negative_warm_up_is_refused() -> None:
    with pytest.raises(ConfigError, match="warmup_steps"):
        OptimSettings(warmup_steps=-1)


def test_a_rate_of_zero_stays_zero() -> None:
    compressor = tiny_compressor()
    made = make_optimizer(compressor, settings(encoder_lr=0.0), 5)
    for _ in range(5):
        rates = {
            group["lr"]
            for name, group in groups_of(compressor, made["optimizer"]).items()
            if parts(compressor)[name] == "encoder"
        }
        assert rates == {0.0}
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
    assert not math.isnan(made["optimizer"].param_groups[-1]["lr"])


def test_pytorch_chooses_how_adamw_steps_but_not_fused() -> None:
    """On GPUs that is `foreach`; fused gradients cannot be clipped by Lightning under 16-mixed."""
    optimizer = make_optimizer(tiny_compressor(), settings(), 10)["optimizer"]
    assert isinstance(optimizer, torch.optim.AdamW)
    assert optimizer.defaults["foreach"] is None
    assert optimizer.defaults["fused"] is None
