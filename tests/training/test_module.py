"""One training step: its loss, and what is logged."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger

from arc_encoder.core.batch import ArcBatch
from arc_encoder.data.tasks import Reconstruction
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.training.callbacks import GradientNorms, NonFinite
from arc_encoder.training.module import ArcLightningModule
from tests.tiny_models import make_batch, numbers, tiny_arc_model
from tests.tiny_runs import table
from tests.training.conftest import Fit, Texts, data_module, settings, two_decoders


def uneven_batch(decoder: str = "decoder") -> ArcBatch:
    """Two samples of different lengths, with three and seven targets."""
    return make_batch(
        [
            [("plain", [1, *numbers(4, 1)]), ("context", list(numbers(9, 2))), ("target", list(numbers(3, 3)))],
            [
                ("plain", [1]),
                ("context", list(numbers(5, 4))),
                ("plain", list(numbers(2, 5))),
                ("target", list(numbers(7, 6))),
            ],
        ],
        decoder=decoder,
    )


@torch.no_grad()
def losses_by_hand(model: ArcForCausalLM, batch: ArcBatch) -> list[float]:
    """Cross-entropy of each target, sample by sample, from the whole decoder run on embeddings put together here."""
    decoder = model.decoder(batch.decoder)
    found = []
    for row in range(len(batch.sample_ids)):
        length, vectors = int(batch.text_lengths[row]), torch.zeros(0, decoder.width)
        context = int((batch.context_rows == row).nonzero())
        tokens = batch.context_ids[context, : batch.context_lengths[context]]
        vectors = model.compressor(tokens[None], torch.tensor([len(tokens)]), batch.decoder)[0][0]
        ids, place = batch.text_ids[row, :length], int(batch.context_positions[context])
        text = decoder.embed(ids)
        logits = decoder.model(inputs_embeds=torch.cat([text[:place], vectors, text[place:]])[None]).logits[0]
        for position in batch.target_mask[row].nonzero().flatten().tolist():
            merged = position + (len(vectors) if position >= place else 0)
            found.append(float(-logits[merged - 1].log_softmax(-1)[ids[position]]))
    return found


def rows_of(trainer: Any) -> list[dict[str, str]]:
    return table(trainer.logger.experiment.metrics_file_path)


def test_the_loss_is_the_mean_cross_entropy_of_all_targets(fit: Fit, tmp_path: Any) -> None:
    batch, wanted = uneven_batch(), losses_by_hand(tiny_arc_model(), uneven_batch())
    assert len(wanted) == 10
    trainer, _ = fit(data=[batch], steps=1, logger=CSVLogger(tmp_path))
    mean = sum(wanted) / 10
    per_sample = (sum(wanted[:3]) / 3 + sum(wanted[3:]) / 7) / 2
    assert abs(mean - per_sample) > 1e-3  # the two would be mistaken for each other otherwise
    assert float(rows_of(trainer)[0]["train/loss"]) == pytest.approx(mean, abs=1e-4)


def test_the_gradient_is_that_of_the_mean(fit: Fit) -> None:
    module = ArcLightningModule(tiny_arc_model(), settings())
    output = module(uneven_batch())
    assert int(output.target_tokens) == 10
    assert float(output.loss) == pytest.approx(float(output.loss_sum) / 10)
    module(uneven_batch()).loss.backward()
    wanted = {name: p.grad.clone() for name, p in module.model.compressor.named_parameters() if p.grad is not None}
    seen: dict[str, torch.Tensor] = {}

    class Gradients(Callback):
        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            seen.update(
                {
                    name: p.grad.clone()
                    for name, p in pl_module.model.compressor.named_parameters()
                    if p.grad is not None
                }
            )

    fit(Gradients(), data=[uneven_batch()], steps=1, gradient_clip_val=None)
    assert seen.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(seen[name], gradient, atol=1e-5, rtol=1e-4)


def test_every_task_and_decoder_has_its_own_curve(fit: Fit, tmp_path: Any) -> None:
    """Each row holds the newest value of every task and decoder, so none is lost between two log entries."""
    data = data_module(("first", "second"), decoder_weights={"first": 1.0, "second": 1.0})
    data.tasks["again"] = Reconstruction(Texts(["something else"]), share=1.0)
    batches: list[ArcBatch] = []

    class Batches(Callback):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: ArcBatch, batch_idx: int) -> None:
            batches.append(batch)

    trainer, _ = fit(Batches(), model=two_decoders(), data=data, steps=6, logger=CSVLogger(tmp_path))
    rows = [row for row in rows_of(trainer) if row["train/loss"]]
    assert len(rows) == len(batches) == 6
    newest: dict[str, str] = {}
    for row, batch in zip(rows, batches, strict=True):
        newest |= dict.fromkeys((f"loss/{batch.task}", f"loss_by_decoder/{batch.decoder}"), row["train/loss"])
        for kind, names in {"loss": ("reconstruction", "again"), "loss_by_decoder": ("first", "second")}.items():
            assert {name: row[f"train/{kind}/{name}"] for name in names} == {
                n: newest.get(f"{kind}/{n}", "") for n in names
            }
        assert 0 <= float(row[f"train/token_accuracy/{batch.task}"]) <= 1
        assert 0 <= float(row["train/padding_waste"]) < 1
    assert {batch.task for batch in batches} == {"reconstruction", "again"}
    assert {batch.decoder for batch in batches} == {"first", "second"}


def test_what_comes_between_two_log_entries_is_not_lost(fit: Fit, tmp_path: Any) -> None:
    data = data_module()
    data.tasks["again"] = Reconstruction(Texts(["something else"]), share=1.0)
    losses: dict[str, float] = {}
    newest: list[dict[str, float]] = []

    class Losses(Callback):
        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: ArcBatch, batch_idx: int
        ) -> None:
            losses[batch.task] = float(outputs["loss"])
            newest.append(dict(losses))

    trainer, _ = fit(Losses(), data=data, steps=8, logger=CSVLogger(tmp_path), log_every_n_steps=2)
    rows = [row for row in rows_of(trainer) if row["train/loss"]]
    assert len(rows) == 4
    for row, expected in zip(
        rows, newest[1::2], strict=True
    ):  # tasks take turns, so one of them is never logged itself
        found = {task: float(row[f"train/loss/{task}"]) for task in ("reconstruction", "again")}
        assert found == pytest.approx(expected, rel=1e-5)


def test_validation_weighs_batches_by_their_targets(fit: Fit) -> None:
    validation = {"held_out": Reconstruction(Texts(["x", "a considerably longer text", "yy", "of middle length"]))}
    data = data_module(validation=validation, batch_size=1, validation_batches=4)
    trainer, module = fit(
        data=data, steps=1, optim=settings(encoder_lr=0.0, projector_lr=0.0, task_token_lr=0.0, final_lr=0.0)
    )
    total = tokens = right = 0.0
    with torch.no_grad():
        for loader in data.val_dataloader():
            for batch in loader:
                output = module(batch)
                total += float(output.loss_sum)
                tokens += int(output.target_tokens)
                right += int(output.correct_tokens)
    assert tokens > 4
    logged = trainer.callback_metrics
    assert float(logged["val/loss/decoder/held_out"]) == pytest.approx(total / tokens, abs=1e-5)
    assert float(logged["val/token_accuracy/decoder/held_out"]) == pytest.approx(right / tokens, abs=1e-6)
    assert float(logged["val/loss"]) == float(logged["val/loss/decoder/held_out"])


def test_validation_sees_every_task_with_every_decoder(fit: Fit) -> None:
    validation = {"one": Reconstruction(Texts(["x y z"])), "two": Reconstruction(Texts(["another text"]))}
    trainer, _ = fit(model=two_decoders(), data=data_module(("first", "second"), validation=validation), steps=2)
    names = {name for name in trainer.callback_metrics if name.startswith("val/loss/")}
    assert names == {f"val/loss/{decoder}/{task}" for decoder in ("first", "second") for task in ("one", "two")}
    values = [float(trainer.callback_metrics[name]) for name in sorted(names)]
    assert float(trainer.callback_metrics["val/loss"]) == pytest.approx(sum(values) / 4)
    assert len(set(values)) == 4


def test_decoders_stay_frozen_and_out_of_train_mode(fit: Fit) -> None:
    module = ArcLightningModule(tiny_arc_model(), settings())
    module.train()
    assert module.model.compressor.training
    assert not module.model.decoder("decoder").model.training
    assert not any(p.requires_grad for p in module.model.decoders.parameters())


def test_nothing_is_logged_where_no_interval_is_set(fit: Fit) -> None:
    trainer, _ = fit(GradientNorms(), NonFinite(), steps=2, log_every_n_steps=0)
    assert trainer.global_step == 2
    assert not any(name.startswith("gradient_norm") for name in trainer.logged_metrics)
